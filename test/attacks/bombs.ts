import { createHash } from 'node:crypto'
import { appendFileSync, copyFileSync, createWriteStream, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, zstdCompressSync } from 'node:zlib'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import { runProgram } from '../../appliance/core/run-program.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { END_OF_ARCHIVE, headerOf, padding } from '../../bundles/archive/index.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Item } from '../../bundles/format/item.ts'
import { bundleOf } from '../support/bundles.ts'
import { entry, joined, sealed, split, type RawEntry } from './hostile.ts'

/** A bundle that unfolds to far more than it is, and how its import must end: state, and the code of the error or finding. */
export type Bomb = { why: string; file: string; ends: RegExp }

const MIB = 1024 * 1024
const FIFTY_GB = 50 * 1000 ** 3
const MILLION = 1_000_000
const HALF_GIB = 512 * MIB

/** One after the other, so that only one of them takes room on the disk. Each is signed, in a stream of its own. */
export async function* bombs(folder: string, signers: readonly Signer[]): AsyncGenerator<Bomb> {
  mkdirSync(folder, { recursive: true })
  let made = 0
  const next = (): string => join(folder, `bomb-${++made}`)
  const small = async (more: Partial<Parameters<typeof bundleOf>[0]> = {}) => {
    const bundle = await bundleOf({ folder: next(), signers, stream: `bomb-${made}`, files: { a: 'first' }, ...more })
    return { ...bundle, entries: split(readFileSync(bundle.file)) }
  }
  const written = (entries: readonly RawEntry[], end?: Uint8Array): string => {
    const file = join(folder, `bomb-${made}.drydock`)
    writeFileSync(file, joined(entries, end))
    return file
  }

  {
    const { entries } = await small()
    const file = written(entries, Buffer.alloc(0))
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => headerOf({ name: `blobs/${'0'.repeat(64)}`, size: 0 })))
    for (let k = 0; k < MILLION / 10_000; k++) appendFileSync(file, many)
    appendFileSync(file, END_OF_ARCHIVE)
    yield { why: '10^6 empty entries behind the signed ones', file, ends: /^refused DD-BUNDLE-006$/ }
    rmSync(file)
  }
  {
    const { entries } = await small()
    const file = written(entries)
    truncateSync(file, FIFTY_GB)
    yield { why: 'a sparse file of 50 GB where a kilobyte was signed', file, ends: /^refused DD-BUNDLE-006$/ }
  }
  {
    const { entries } = await small()
    const file = written([...entries.slice(0, -1), { header: headerOf({ name: nameIn(entries), size: 8 * 1024 ** 3 - 1 }), body: Buffer.from('first') }], Buffer.alloc(0))
    truncateSync(file, 8 * 1024 ** 3 + 4096)
    yield { why: 'an entry of 8 GiB of holes where five bytes were signed', file, ends: /^refused DD-BUNDLE-006$/ }
  }
  {
    const { entries, manifest } = await small()
    const bomb = zstdCompressSync(Buffer.alloc(HALF_GIB))
    const part = { ...manifest.index[0]!, size: bomb.length, contentSize: 8 * MIB, digest: digestOf(bomb) }
    yield { why: 'an index part of half a GiB of zeros, signed as 8 MiB', file: written(await sealed([entries[0]!, entries[1]!, entry('index/0', bomb), ...entries.slice(3)], { ...manifest, index: [part] }, signers)), ends: /^refused DD-BUNDLE-012$/ }
  }
  {
    const { entries, manifest } = await small()
    yield { why: '10^6 signed items of nothing', file: written(await millionItems(entries, manifest, signers)), ends: /^refused DD-BUNDLE-010$/ }
  }
  {
    const { entries, manifest } = await small()
    const deep = canonicalJson(manifest).replace('{"created"', `{"a":${'['.repeat(MILLION)}${']'.repeat(MILLION)},"created"`)
    yield { why: 'a manifest that is 10^6 deep', file: written(await sealed(entries, deep, signers)), ends: /^refused DD-BUNDLE-009$/ }
  }
  for (const [why, path, size] of [['an npm tarball whose package.json unfolds to half a GiB', 'package/package.json', HALF_GIB], ['an npm tarball with package.json of brackets, 4 MiB deep', 'package/package.json', 4 * MIB]] as const) {
    const tarball = next()
    await tarballOf(tarball, path, size, size === HALF_GIB ? 0 : '['.charCodeAt(0))
    yield { why, file: (await small({ items: [npmItem(join(folder, `bomb-${made + 1}`), tarball)] })).file, ends: /^quarantined .*DD-MIRROR-004/ }
  }
  for (const lies of [false, true]) {
    const file = next()
    await runProgram('/usr/bin/python3', { args: ['-c', WHEEL, file, String(HALF_GIB)] })
    if (lies) writeFileSync(file, sizesSaid(readFileSync(file), HALF_GIB, 100))
    yield { why: `a wheel whose METADATA unfolds to half a GiB${lies ? ' and says 100 bytes' : ''}`, file: (await small({ items: [wheelItem(join(folder, `bomb-${made + 1}`), file)] })).file, ends: /^quarantined .*DD-MIRROR-004/ }
  }
}

const nameIn = (entries: readonly RawEntry[]): string => entries.at(-1)!.header.toString('latin1', 0, entries.at(-1)!.header.indexOf(0))

/** Every item is good by itself, and all of them name the one blob that the bundle brings. */
async function millionItems(entries: readonly RawEntry[], manifest: Awaited<ReturnType<typeof bundleOf>>['manifest'], signers: readonly Signer[]): Promise<RawEntry[]> {
  const blob = canonicalJson([{ name: 'content', digest: digestOf('first'), size: 5 }])
  const perPart = 25_000
  const parts = Array.from({ length: MILLION / perPart }, (_, k) => {
    const lines = Array.from({ length: perPart }, (_item, n) => {
      const name = `f${String(k * perPart + n).padStart(7, '0')}`
      return `{"item":{"blobs":${blob},"kind":"file","metadata":{"path":"${name}"},"name":"${name}","source":"pkg:generic/${name}@1","version":"1"}}\n`
    })
    const head = k === 0 ? `${canonicalJson({ entry: { name: `blobs/${hexOf(digestOf('first'))}`, digest: digestOf('first'), size: 5, volume: 1 } })}\n` : ''
    const text = Buffer.from(head + lines.join(''))
    const bytes = zstdCompressSync(text)
    return { bytes, part: { name: `index/${k}`, digest: digestOf(bytes), size: bytes.length, contentSize: text.length, entries: k === 0 ? 1 : 0, items: perPart } }
  })
  const next = { ...manifest, index: parts.map(({ part }) => part), totals: { ...manifest.totals, items: { file: MILLION } } }
  return await sealed([entries[0]!, entries[1]!, ...parts.map(({ part, bytes }) => entry(part.name, bytes)), ...entries.slice(3)], next, signers)
}

async function tarballOf(file: string, path: string, size: number, fill: number): Promise<void> {
  const chunk = Buffer.alloc(MIB, fill)
  await pipeline(Readable.from((function* () {
    yield headerOf({ name: path, size })
    for (let left = size; left > 0; left -= chunk.length) yield chunk.subarray(0, Math.min(left, chunk.length))
    yield Buffer.alloc(padding(size))
    yield END_OF_ARCHIVE
  })()), createGzip({ level: 1 }), createWriteStream(file))
}

/** Puts a file into a bundle's blobs. */
function blobOf(folder: string, file: string): { digest: ReturnType<typeof digestOf>; size: number } {
  const digest = digestOf(readFileSync(file))
  mkdirSync(join(folder, 'blobs'), { recursive: true })
  copyFileSync(file, join(folder, 'blobs', hexOf(digest)))
  return { digest, size: statSync(file).size }
}

function npmItem(folder: string, tarball: string): Item {
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
  return { kind: 'npm', name: 'bomb', version: '1.0.0', metadata: { manifest: { name: 'bomb', version: '1.0.0' }, integrity, tags: [] }, blobs: [{ name: 'bomb-1.0.0.tgz', ...blobOf(folder, tarball) }], source: 'pkg:npm/bomb@1.0.0' }
}

function wheelItem(folder: string, file: string): Item {
  const filename = 'bomb-1.0-py3-none-any.whl'
  const metadata = join(folder, '..', 'METADATA')
  writeFileSync(metadata, 'Metadata-Version: 2.1\nName: bomb\nVersion: 1.0\n')
  return { kind: 'pypi', name: 'bomb', version: '1.0', metadata: { files: [{ filename, requiresPython: '>=3.8', metadata: `${filename}.metadata` }] }, blobs: [{ name: filename, ...blobOf(folder, file) }, { name: `${filename}.metadata`, ...blobOf(folder, metadata) }], source: 'pkg:pypi/bomb@1.0' }
}

const WHEEL = `
import sys, zipfile
out, size = sys.argv[1], int(sys.argv[2])
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
    with wheel.open('bomb-1.0.dist-info/METADATA', 'w', force_zip64=False) as metadata:
        for _ in range(size // 1048576): metadata.write(bytes(1048576))
    wheel.writestr('bomb-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\n')
    wheel.writestr('bomb-1.0.dist-info/RECORD', '')
`

/** A zip that says another size wherever it says this one. */
function sizesSaid(zip: Buffer, size: number, other: number): Buffer {
  const [from, to] = [Buffer.alloc(4), Buffer.alloc(4)]
  from.writeUInt32LE(size)
  to.writeUInt32LE(other)
  for (let at = zip.indexOf(from); at !== -1; at = zip.indexOf(from, at)) to.copy(zip, at)
  return zip
}
