import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { DigestText } from '../../bundles/format/item.ts'
import { digestOfFile, hexOf, type Digest } from '../core/digest.ts'
import { DrydockError, isErrno } from '../core/error.ts'

const strict = { additionalProperties: false } as const

/** A packed layer, `layers/<key>/layer.json` beside its bytes. Sizes in bytes. */
export const PackedLayer = Type.Object(
  { digest: DigestText, size: Type.Integer(), verityRoot: Type.String({ pattern: '^[0-9a-f]{64}$' }), dataBlocks: Type.Integer() },
  strict,
)
export type PackedLayer = Type.Static<typeof PackedLayer>

/** Kernel and initrd, which come from the same packages for every image on one base. */
export const PackedBoot = Type.Object({ kernel: DigestText, initrd: DigestText }, strict)
export type PackedBoot = Type.Static<typeof PackedBoot>

/**
 *     images/layers/<hex of the key>/layer.json    what it is; written last, so a folder without it does not count
 *                                    image         (layers) squashfs and verity tree
 *                                    vmlinuz initrd (boot)
 * A key is the digest of everything that decides the bytes; nothing here ever changes, anything may be deleted. Nothing here is synced either: it is
 * hashed before it is used, and what a power cut has torn is thrown away and made again. (A sync here would write out the whole work folder, which is
 * about to be deleted.)
 */
export async function findLayer(imagesDir: string, key: Digest): Promise<PackedLayer | undefined> {
  return await findKept(PackedLayer, imagesDir, key, layer => ({ image: layer.digest }))
}

export async function findBoot(imagesDir: string, key: Digest): Promise<PackedBoot | undefined> {
  return await findKept(PackedBoot, imagesDir, key, boot => ({ vmlinuz: boot.kernel, initrd: boot.initrd }))
}

async function findKept<S extends typeof PackedLayer | typeof PackedBoot>(schema: S, imagesDir: string, key: Digest, filesOf: (facts: Type.Static<S>) => Record<string, string>): Promise<Type.Static<S> | undefined> {
  const folder = cacheFolder(imagesDir, key)
  try {
    const facts = checkShape(schema, JSON.parse(await readFile(join(folder, 'layer.json'), 'utf8')), 'layer.json')
    const sound = await Promise.all(Object.entries(filesOf(facts)).map(async ([file, digest]) => (await digestOfFile(join(folder, file))).digest === digest))
    if (sound.every(Boolean)) return facts
  } catch (failure) {
    // A file that is missing or is no JSON is as good as a torn one; a disk that cannot be read is not.
    if (!isErrno(failure, 'ENOENT') && !(failure instanceof SyntaxError) && !(failure instanceof DrydockError)) throw failure
  }
  await dropCached(imagesDir, key)
  return undefined
}

/** Takes over a folder made beside the cache (same file system). A second maker of the same key leaves the first one's. */
export async function keepCached(imagesDir: string, key: Digest, folder: string, facts: PackedLayer | PackedBoot): Promise<void> {
  await writeFile(join(folder, 'layer.json'), `${JSON.stringify(facts)}\n`)
  const target = cacheFolder(imagesDir, key)
  await mkdir(join(imagesDir, 'layers'), { recursive: true, mode: 0o755 })
  try {
    await rename(folder, target)
  } catch (failure) {
    if (!isErrno(failure, 'ENOTEMPTY') && !isErrno(failure, 'EEXIST')) throw failure
    if (await exists(join(target, 'layer.json'))) return await rm(folder, { recursive: true, force: true })
    await rm(target, { recursive: true, force: true })
    await rename(folder, target)
  }
}

export async function dropCached(imagesDir: string, key: Digest): Promise<void> {
  await rm(cacheFolder(imagesDir, key), { recursive: true, force: true })
}

export function cacheFolder(imagesDir: string, key: Digest): string {
  return join(imagesDir, 'layers', hexOf(key))
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
