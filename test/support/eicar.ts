import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import { definitionsVersion } from '../../bundles/format/definitions.ts'

/** The test file of all virus scanners. It never stands in one piece in the tree: a scanner on a developer's machine would take the checkout for infected. */
export const EICAR = ['X5O!P%@AP[4', '\\PZX54(P^)7CC)7}', '$EICAR-STANDARD', '-ANTIVIRUS-TEST', '-FILE!$H+H*'].join('')

/** What the self-made database calls it. */
export const EICAR_NAME = 'Drydock.Test.Eicar'

/** Databases as people can make them with `sigtool`: by digest and size, and by the bytes wherever they stand. */
export function eicarDefinitions(): Record<string, string> {
  return {
    'eicar.hdb': `${createHash('md5').update(EICAR).digest('hex')}:${EICAR.length}:${EICAR_NAME}\n`,
    'eicar.ndb': `${EICAR_NAME}.Body:0:*:${Buffer.from(EICAR).toString('hex')}\n`,
  }
}

/** An item of definitions; its blobs go to `blobFolder`. */
export function definitionsItem(blobFolder: string, files: Record<string, string | Uint8Array>, built: string): Item {
  mkdirSync(blobFolder, { recursive: true })
  const blobs = Object.entries(files).map(([name, bytes]) => {
    const digest = digestOf(bytes)
    writeFileSync(join(blobFolder, hexOf(digest)), bytes)
    return { name, digest, size: Buffer.byteLength(bytes) }
  })
  return { kind: 'advisories', name: 'clamav', version: definitionsVersion(built), metadata: { built }, blobs, source: `pkg:generic/clamav-definitions@${definitionsVersion(built)}` }
}

/** The file in the things that come in: as it is, in an npm tarball, in a wheel, in debs, in layers. */
export function infected(folder: string): Record<string, Uint8Array> {
  const at = join(folder, 'infected')
  const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { cwd: at, stdio: 'ignore' })
  for (const path of ['package', 'evil', 'deb/DEBIAN', 'deb/usr/bin']) mkdirSync(join(at, path), { recursive: true })
  for (const path of ['package/index.js', 'evil/__init__.py', 'deb/usr/bin/tool']) writeFileSync(join(at, path), EICAR)
  writeFileSync(join(at, 'deb/DEBIAN/control'), 'Package: evil\nVersion: 1.0\nArchitecture: all\nMaintainer: A Test <test@example.org>\nDescription: not good\n')
  run('tar', 'cf', 'layer.tar', 'package')
  run('python3', '-m', 'zipfile', '-c', 'evil-1.0-py3-none-any.whl', 'evil/')
  for (const kind of ['xz', 'zstd']) run('dpkg-deb', `-Z${kind}`, '-b', 'deb', `evil-${kind}.deb`)
  const read = (name: string): Buffer => readFileSync(join(at, name))
  return {
    'eicar.com': Buffer.from(EICAR),
    'evil-1.0.0.tgz': gzipSync(read('layer.tar')),
    'evil-1.0-py3-none-any.whl': read('evil-1.0-py3-none-any.whl'),
    'evil-xz.deb': read('evil-xz.deb'),
    'evil-zstd.deb': read('evil-zstd.deb'),
    'layer.tar.gz': gzipSync(read('layer.tar')),
    'layer.tar.zst': zstdCompressSync(read('layer.tar')),
  }
}
