import { createCipheriv, createHash, randomInt, type Cipheriv } from 'node:crypto'
import { closeSync, linkSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../appliance/core/digest.ts'
import { digestFromHex, digestOf, hexOf } from '../../appliance/core/digest.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { GIB, MIB } from './method.ts'

const LARGE_BYTES = 128 * MIB
const [SMALL_LEAST, SMALL_MOST] = [4 * 1024, 200 * 1024]
const STEP = Buffer.alloc(4 * MIB)

/** Incompressible bytes that are the same for the same seed: AES-256-CTR over zeros. */
function stream(seed: string): Cipheriv {
  return createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
}

export type Sizes = { name: string; size: number }[]

/** Half the bytes in files of 128 MiB, half in files of 4–200 KiB, evenly spread; both halves get at least one file. */
export function mixed(total: number): Sizes {
  const large = Math.max(1, Math.round(total / 2 / LARGE_BYTES))
  const sizes: Sizes = Array.from({ length: large }, (_none, k) => ({ name: `large/${k}.bin`, size: Math.min(LARGE_BYTES, Math.floor(total / 2 / large)) }))
  return [...sizes, ...small(Math.floor(total / 2 / ((SMALL_LEAST + SMALL_MOST) / 2)), SMALL_LEAST, SMALL_MOST)]
}

/** Sizes walk evenly through the range, so that they need no random numbers. Folders of 100 files. */
export function small(count: number, least: number, most: number): Sizes {
  return Array.from({ length: count }, (_none, k) => ({ name: `small/${Math.floor(k / 100)}/${k}.bin`, size: least + ((k * 7919) % (most - least + 1)) }))
}

/** Items of kind `file` with their blobs in `blobs`; `seed` decides every byte. */
export function makeItems(blobs: string, sizes: Sizes, seed: string, version = '1'): Item[] {
  mkdirSync(blobs, { recursive: true })
  const items = sizes.map(({ name, size }): Item => {
    const digest = makeBlob(blobs, size, `${seed} ${name}`)
    return { kind: 'file', name, version, metadata: { path: name }, blobs: [{ name: 'content', digest, size }], source: `pkg:generic/${encodeURIComponent(name)}@${version}` }
  })
  return items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
}

export function makeBlob(blobs: string, size: number, seed: string): Digest {
  const bytes = stream(seed)
  const hash = createHash('sha256')
  const temporary = join(blobs, `.${randomInt(2 ** 40)}.tmp`)
  const file = openSync(temporary, 'wx')
  for (let at = 0; at < size; at += STEP.length) {
    const chunk = bytes.update(STEP.subarray(0, Math.min(STEP.length, size - at)))
    hash.update(chunk)
    writeSync(file, chunk)
  }
  closeSync(file)
  const digest = digestFromHex(hash.digest('hex'))
  renameSync(temporary, join(blobs, hexOf(digest)))
  return digest
}

/**
 * An image of incompressible layers as an OCI layout, which the references read, and the same as an item over blobs in `blobs`. The layers
 * are no real tars: neither a registry nor `skopeo copy --preserve-digests` looks into them.
 */
export function makeImage(layout: string, blobs: string, layerSizes: readonly number[], seed: string): Item {
  const folder = join(layout, 'blobs/sha256')
  mkdirSync(folder, { recursive: true })
  mkdirSync(blobs, { recursive: true })
  const keep = (bytes: string): { digest: Digest; size: number } => {
    const digest = digestOf(bytes)
    writeFileSync(join(folder, hexOf(digest)), bytes)
    return { digest, size: Buffer.byteLength(bytes) }
  }
  const layers = layerSizes.map((size, k) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: makeBlob(folder, size, `${seed} layer ${k}`), size }))
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...keep(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) } })) }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = { mediaType, ...keep(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })) }
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': '1' } }] }))
  const all = [manifest, config, ...layers]
  for (const { digest } of all) linkSync(join(folder, hexOf(digest)), join(blobs, hexOf(digest)))
  return {
    kind: 'oci', name: 'bench/image', version: '1', metadata: { mediaType, digest: manifest.digest }, source: 'pkg:oci/image@1',
    blobs: all.map(({ digest, size, mediaType: type }, k) => ({ name: k === 0 ? 'manifest' : k === 1 ? 'config' : `layer ${k - 2}`, digest, size, mediaType: type })),
  }
}

export function writeLock(folder: string, name: string, items: readonly Item[]): void {
  writeFileSync(join(folder, 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name, created: '2026-01-01T00:00:00Z', items }))
}

/** `512MiB`, `2GiB`, or plain bytes. */
export function bytesOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? []
  if (digits === '') throw new Error(`expected a size such as 512MiB, found ${text}`)
  return Number(digits) * { KiB: 1024, MiB: MIB, GiB: GIB, '': 1 }[unit as 'KiB']
}
