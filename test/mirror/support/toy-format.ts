import type { Item } from '../../../bundles/format/item.ts'
import type { BlobStore } from '../../../mirror/store/blobs.ts'
import { findAfter, type MirrorFormat, type Rendered } from '../../../mirror/store/format.ts'
import { parseDigest } from '../../../appliance/core/digest.ts'

/** The smallest format there is: one index a name, which lists its versions, and the files themselves. */
export function toyFormat(atEach: (name: string) => void = () => undefined, stamp = ''): MirrorFormat {
  return {
    kind: 'file',
    prefix: 'files',
    stamp,
    async validate() {},
    *render(previous, changes): Iterable<Rendered> {
      for (const name of new Set(changes.map(item => item.name))) {
        atEach(name)
        yield { path: name, mediaType: 'text/plain', bytes: findAfter(previous, changes, 'file', name).map(item => `${item.version}${stamp}\n`).join('') }
      }
      for (const item of changes) yield { path: `${item.name}/${item.version}`, mediaType: 'application/octet-stream', immutable: true, digest: parseDigest(item.blobs[0]!.digest) }
    },
    find: request => ({ path: request.path }),
    refusal: (status, what) => ({ body: `${status} ${what}\n`, mediaType: 'text/plain' }),
  }
}

export async function fileItem(blobs: BlobStore, name: string, version: string, text: string): Promise<Item> {
  const digest = await blobs.put(text)
  return { kind: 'file', name, version, metadata: { path: name }, blobs: [{ name: 'file', digest, size: text.length }], source: `pkg:generic/${name}@${version}` }
}
