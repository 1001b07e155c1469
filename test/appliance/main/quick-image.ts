import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { roleMatches } from '../../../appliance/images/role-word.ts'
import type { CatalogueView } from '../../../appliance/model/catalogue.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import type { Lock } from '../../../appliance/model/lock.ts'
import type { PoolSpec } from '../../../appliance/model/pool.ts'
import type { Bake } from '../../../appliance/main/inside/images.ts'

/** A lock of packs alone, for simulated guests: as deterministic as the real one, with no apt and no pip. */
export async function quickResolve(spec: PoolSpec, catalogue: CatalogueView): Promise<Lock> {
  const packOf = (text: string) => {
    const item = [...catalogue.items('role')].find(({ name, version }) => roleMatches(text, { role: name, version }))
    const pack = item?.blobs[0]?.digest
    if (item === undefined || pack === undefined) throw new TypeError(`no pack ${text}`)
    return { name: item.name, version: item.version, pack }
  }
  const base = packOf(spec.base)
  const kernel = { name: 'linux-image-quick', version: '1', architecture: 'amd64', digest: base.pack, size: 1 }
  return {
    format: 'drydock-lock/1',
    baker: 1,
    os: 'linux',
    arch: 'amd64',
    base: { ...base, sourceDateEpoch: 0, debs: [], kernel, verify: [{ run: 'true', expect: '' }] },
    roles: spec.roles.map(packOf).map(({ name, version, pack }) => ({ role: name, version, pack, debs: [], wheels: [], files: [], env: {}, verify: [{ run: `${name} --version`, expect: version }] })),
    agent: base.pack,
  }
}

/** A real image folder in milliseconds: what stands in it follows from the lock alone. */
export function quickBake(imagesDir: string): Bake {
  return async lock => {
    const disk = Buffer.from(`disk of ${canonicalJson(lock)}`)
    const digest = digestOf(disk)
    const layers = [lock.base.name, ...lock.roles.map(role => `${role.role}-${role.version}`), 'database']
    const content = (name: string, index: number): string => (name === 'database' ? canonicalJson(lock) : canonicalJson(index === 0 ? lock.base : (lock.roles[index - 1] ?? null)))
    const manifest: ImageManifest = {
      format: 'drydock-image/1',
      digest,
      size: disk.length,
      specDigest: digestOf(canonicalJson(lock)),
      lock,
      layers: layers.map((name, index) => ({ name, digest: digestOf(content(name, index)), size: 4096, verityRoot: hexOf(digestOf(`root of ${content(name, index)}`)), dataBlocks: 1, offset: index * 4096 })),
      kernel: { file: 'vmlinuz', digest: digestOf('kernel') },
      initrd: { file: 'initrd', digest: digestOf('initrd') },
      commandLine: 'quick',
      packages: [],
    }
    const folder = join(imagesDir, hexOf(digest))
    if (existsSync(folder)) return manifest
    mkdirSync(imagesDir, { recursive: true })
    const made = mkdtempSync(join(imagesDir, 'baking-'))
    for (const [name, bytes] of Object.entries({ 'disk.raw': disk, vmlinuz: 'kernel', initrd: 'initrd', 'manifest.json': JSON.stringify(manifest) })) writeFileSync(join(made, name), bytes)
    try {
      renameSync(made, folder)
    } finally {
      rmSync(made, { recursive: true, force: true })
    }
    return manifest
  }
}
