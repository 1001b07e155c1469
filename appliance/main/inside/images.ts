import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex, type Digest } from '../../core/digest.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import { imageFolder, readImage } from '../../images/read-image.ts'
import type { ImageManifest } from '../../model/image.ts'
import type { Lock } from '../../model/lock.ts'
import type { Progress } from '../../model/operation.ts'

export type Bake = (lock: Lock, run: { signal: AbortSignal; progress(progress: Progress): void }) => Promise<ImageManifest>

/** The images on disk, as API, pools, reconcile and agents see them. */
export function openImages(imagesDir: string, bake: Bake) {
  const layers = new Map<string, readonly string[]>()
  let baking: Promise<unknown> = Promise.resolve()

  async function read(digest: Digest): Promise<ImageManifest | undefined> {
    try {
      return await readImage(imagesDir, digest)
    } catch (failure) {
      if (failure instanceof DrydockError && failure.code === 'DD-IMAGE-012') return undefined
      throw failure
    }
  }

  return {
    get: read,
    async list(): Promise<ImageManifest[]> {
      const names = await readdir(imagesDir).catch((failure: unknown) => {
        if (isErrno(failure, 'ENOENT')) return []
        throw failure
      })
      const found = await Promise.all(names.filter(name => /^[0-9a-f]{64}$/.test(name)).map(async name => await read(digestFromHex(name))))
      return found.filter(manifest => manifest !== undefined)
    },
    async baked(digest: Digest): Promise<{ manifest: ImageManifest; folder: string }> {
      return { manifest: await readImage(imagesDir, digest), folder: imageFolder(imagesDir, digest) }
    },
    /** One at a time: a bake uses every core, and two of one lock must not meet. */
    async bake(lock: Lock, run: Parameters<Bake>[1]): Promise<ImageManifest> {
      const next = baking.then(async () => await bake(lock, run))
      baking = next.catch(() => undefined)
      return await next
    },
    /** Verity roots, lowest layer first; null while the manifest is not here. Small, asked with every heartbeat, and an image never changes: kept. */
    layersOf(digest: string): readonly string[] | null {
      const known = layers.get(digest)
      if (known !== undefined) return known
      try {
        const manifest = JSON.parse(readFileSync(join(imageFolder(imagesDir, digest), 'manifest.json'), 'utf8')) as ImageManifest
        const roots = manifest.layers.map(layer => layer.verityRoot)
        layers.set(digest, roots)
        return roots
      } catch {
        return null
      }
    },
  }
}
