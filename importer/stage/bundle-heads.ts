import { join } from 'node:path'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { isErrno } from '../../appliance/core/error.ts'
import { parseIndex, type Index } from '../../bundles/format/index-file.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { parseManifest } from '../../bundles/format/manifest-file.ts'
import { stagingOf } from './staging.ts'

/**
 * Manifest, signatures and index of bundles, as they were read: what was signed, and by whom, can be shown as long as the appliance lives.
 *
 *     DATA/staging/<import>/head/   while it is on its way
 *     DATA/bundles/<import>/head/   after it was imported
 */
export type BundleHeads = {
  /** Before staging is emptied. Safe to call again; nothing to do when it was emptied already. */
  keep(id: string): Promise<void>
  /** What was verified when it came in; undefined for an import of which nothing is kept (refused, rejected, or too early). */
  told(id: string): Promise<{ manifest: Manifest; manifestDigest: Digest; index: Index } | undefined>
}

export function bundleHeads({ stagingDir, keptDir }: { stagingDir: string; keptDir: string }): BundleHeads {
  const read = async (folder: string) => await stagingOf(folder).readHead().catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return undefined
    throw failure
  })
  return {
    async keep(id) {
      const head = await read(join(stagingDir, id))
      if (head !== undefined) await stagingOf(join(keptDir, id)).keepHead(head, head.parts)
    },
    async told(id) {
      const head = (await read(join(keptDir, id))) ?? (await read(join(stagingDir, id)))
      if (head === undefined) return undefined
      const manifest = parseManifest(head.manifest)
      return { manifest, manifestDigest: digestOf(head.manifest), index: parseIndex(manifest, head.parts) }
    },
  }
}
