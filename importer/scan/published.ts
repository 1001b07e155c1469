import { link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfFile, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { printable } from '../../appliance/core/printable.ts'
import type { RescanPart } from '../../bundles/format/rescan-record.ts'
import { ITEMS_OF_BLOB } from './limits.ts'
import type { Seen, StagedBlob } from './view.ts'

/** What people have published into the private npm registry, in the order of keys; mirror/npm has it, main joins the two. */
export type Published = { files(): Promise<{ key: string; path: string; size: number; name: string; version: string | null; file: string }[]> }

/**
 * One batch of it. Each file is linked first and hashed then: whoever unpublishes it meanwhile takes it away from clients, not from us.
 * @param folder for the links; whoever calls removes it
 */
export async function gatherPublished(published: Published, after: string | null, { folder, most }: { folder: string; most: { files: number; bytes: number } }): Promise<{ files: StagedBlob[]; users: Map<Digest, Seen>; left: RescanPart | null; blobs: number }> {
  const all = (await published.files()).filter(({ key }) => after === null || key > after)
  const files: StagedBlob[] = []
  const users = new Map<Digest, Seen>()
  let [bytes, seen] = [0, 0]
  await rm(folder, { recursive: true, force: true })
  await ensureFolder(folder, 0o700)
  for (const { key, path, size, name, version, file } of all) {
    bytes += size
    if (seen === most.files || (seen > 0 && bytes > most.bytes)) break
    const here = join(folder, String(seen++))
    if (!(await isLinked(path, here))) continue
    const { digest } = await digestOfFile(here)
    const spec = version === null ? name : `${name}@${version}`
    const item = { key: printable(`npm:${spec}`), label: printable(`${spec.replace(/(?<=.)@/, ' ')}, published here`) }
    const known = users.get(digest)
    if (known === undefined) files.push({ digest, path: here })
    if (known === undefined) users.set(digest, { digest, items: [item], blob: printable(file), published: [{ file: key, spec }] })
    else {
      // All of them: whether any is served still is asked of each file.
      known.published?.push({ file: key, spec })
      if (known.items.length < ITEMS_OF_BLOB) known.items.push(item)
    }
  }
  const last = all[seen - 1]
  return { files, users, blobs: seen, left: last === undefined || seen === all.length ? null : { of: 'published', after: last.key } }
}

async function isLinked(path: string, here: string): Promise<boolean> {
  return await link(path, here).then(() => true, (failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT') return false
    throw failure
  })
}
