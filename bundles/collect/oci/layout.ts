import { constants, createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { digestOf, hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { DrydockError, isErrno } from '../../../appliance/core/error.ts'
import { checkShape } from '../../format/check.ts'
import { Descriptor, isManifest, mediaTypeOf, parsedJson, parseManifest } from './descriptor.ts'
import { MANIFEST_BYTES } from '../limits.ts'
import { counted } from '../progress.ts'
import { expectedOf, type FoundManifest, type ImageSource } from './source.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const LayoutIndex = Type.Object({ manifests: Type.Array(Descriptor) })

/**
 * An image layout on the disk (https://github.com/opencontainers/image-spec/blob/main/image-layout.md). Its referrers are the entries
 * of index.json whose manifests name a subject.
 */
export async function openLayout(folder: string, tag: string | undefined, what: string): Promise<ImageSource> {
  const index = checkShape(LayoutIndex, parsedJson(await smallFile(join(folder, 'index.json'), what), `${what} (index.json)`), `index.json of ${what}`)
  const blobPath = (digest: Digest) => join(folder, 'blobs/sha256', hexOf(digest))

  async function found(descriptor: Descriptor): Promise<FoundManifest> {
    const bytes = await smallFile(blobPath(parseDigest(descriptor.digest)), what)
    return { bytes, mediaType: mediaTypeOf(bytes, descriptor.mediaType, what), digest: parseDigest(descriptor.digest) }
  }
  const named = (wanted: string) => index.manifests.find(({ annotations }) => annotations?.[REF_NAME] === wanted)

  return {
    async root() {
      const tags = index.manifests.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? [])
      const images = index.manifests.filter(entry => entry.annotations?.[REF_NAME] !== undefined || index.manifests.length === 1)
      const entry = tag === undefined ? (images.length === 1 ? images[0] : undefined) : named(tag)
      if (entry === undefined) {
        throw new DrydockError('DD-COLLECT-006', `expected ${tag === undefined ? 'one image' : `tag ${tag}`} in ${what}, found ${tags.join(', ') || 'no tags'}`, 'name one of them as `tag` in the collection file')
      }
      return await found(entry)
    },
    async tagged(wanted) {
      const entry = named(wanted)
      return entry === undefined ? undefined : await found(entry)
    },
    async manifest(descriptor) {
      return await smallFile(blobPath(parseDigest(descriptor.digest)), what)
    },
    async blob(descriptor, workspace, coming) {
      const handle = await open(blobPath(parseDigest(descriptor.digest)), constants.O_RDONLY | constants.O_NOFOLLOW).catch((failure: unknown) => {
        throw missing(descriptor.digest, what, failure)
      })
      return await workspace.keep(`${descriptor.digest} of ${what}`, counted(createReadStream('', { fd: handle, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, descriptor.size, coming), expectedOf(descriptor))
    },
    async referrers(digest) {
      const referring: Descriptor[] = []
      for (const entry of index.manifests.filter(({ mediaType }) => isManifest(mediaType))) {
        const { bytes, mediaType } = await found(entry)
        if (digestOf(bytes) === entry.digest && parseManifest(bytes, mediaType, what).subject === digest) referring.push({ ...entry, mediaType })
      }
      return referring
    },
    async close() {},
  }
}

async function smallFile(path: string, what: string): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((failure: unknown) => {
    throw missing(path, what, failure)
  })
  try {
    const { size } = await handle.stat()
    if (size > MANIFEST_BYTES) throw new DrydockError('DD-CORE-010', `expected a manifest of ${what} of at most ${MANIFEST_BYTES} bytes, found ${size}`, 'look at what made the image')
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

function missing(part: string, what: string, cause: unknown): unknown {
  if (!isErrno(cause, 'ENOENT') && !isErrno(cause, 'ELOOP') && !isErrno(cause, 'ENOTDIR')) return cause
  return new DrydockError('DD-COLLECT-013', `expected ${part} of ${what}, found it missing`, 'have the image written again: not all of it is there', { cause })
}
