import { lstatSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex, digestOf, digestOfFile, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { MANIFEST_NAME, SIGNATURES_NAME } from '../../bundles/format/manifest-file.ts'
import { joiningName } from '../unpack/index.ts'
import { copyParts, whyOther, type CopiedParts } from './copied-parts.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'

/**
 *     staging/<import>/head/manifest.json, manifest.json.asc, index-0 …   what was verified, as it was read
 *     staging/<import>/blobs/<hex>                                        payload that is not in the store yet
 *     staging/<import>/blobs/<hex>.frame                                  chunks as they travelled, of a set with parity
 *     staging/<import>/parity/<hex>.joining                               parity shards, while a volume is missing
 *     staging/<import>/rebuilt/                                           volume files made from them, until they are staged
 *     staging/<import>/scan/                                              what scanners see of it, while they look
 */
export type Staging = {
  readonly blobFolder: string
  readonly scanFolder: string
  readonly parityFolder: string
  readonly rebuiltFolder: string
  keepHead(head: { manifest: Uint8Array; signatures: string }, parts: readonly Uint8Array[]): Promise<void>
  readHead(): Promise<{ manifest: Buffer; signatures: string; parts: Buffer[] }>
  /** Empty again: a run that was cut off may have left files whose bytes never reached the disk. */
  emptyBlobs(): Promise<void>
  /** Without what an unfinished run of one volume may have written; what other volumes brought stays. */
  emptyOf(names: readonly string[]): Promise<void>
  /** Makes a blob that was joined from parts a staged one, when all of it has its digest. @throws DD-BUNDLE-012, DD-IMPORT-030 */
  finishJoined(digest: Digest, made: CopiedParts): Promise<void>
  /** Plain files only: the folder was written by the unpacker. */
  staged(): Promise<{ digest: Digest; path: string }[]>
  /** The store with what is staged laid over it, for those who look into items before they are promoted. */
  over(store: BlobStore): BlobStore
  remove(): Promise<void>
}

export function stagingOf(folder: string): Staging {
  const head = join(folder, 'head')
  const blobs = join(folder, 'blobs')
  const pathOf = (digest: Digest): string => join(blobs, hexOf(digest))
  return {
    blobFolder: blobs,
    scanFolder: join(folder, 'scan'),
    parityFolder: join(folder, 'parity'),
    rebuiltFolder: join(folder, 'rebuilt'),
    async keepHead({ manifest, signatures }, parts) {
      const before = await readFile(join(head, MANIFEST_NAME)).catch(() => undefined)
      // What another bundle left here is none of this one's, whatever its name.
      if (before?.equals(manifest) === false) for (const kind of ['blobs', 'parity', 'rebuilt']) await rm(join(folder, kind), { recursive: true, force: true })
      await rm(head, { recursive: true, force: true })
      await ensureFolder(head, 0o700)
      for (const [k, bytes] of parts.entries()) await writeDurably(join(head, `index-${k}`), bytes)
      await writeDurably(join(head, SIGNATURES_NAME), Buffer.from(signatures, 'latin1'))
      await writeDurably(join(head, MANIFEST_NAME), manifest)
    },
    async readHead() {
      const names = (await readdir(head)).filter(name => name.startsWith('index-')).toSorted((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
      return {
        manifest: await readFile(join(head, MANIFEST_NAME)),
        signatures: await readFile(join(head, SIGNATURES_NAME), 'latin1'),
        parts: await Promise.all(names.map(name => readFile(join(head, name)))),
      }
    },
    async emptyBlobs() {
      await rm(blobs, { recursive: true, force: true })
      await mkdir(blobs, { recursive: true, mode: 0o700 })
    },
    async emptyOf(names) {
      await mkdir(blobs, { recursive: true, mode: 0o700 })
      for (const name of names) await rm(join(blobs, name), { force: true })
    },
    async finishJoined(digest, made) {
      const joining = join(blobs, joiningName(hexOf(digest)))
      const plain = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
      if (!plain(joining) && plain(pathOf(digest))) return
      if (made.copies.length > 0) await copyParts(joining, made)
      const found = plain(joining) ? (await digestOfFile(joining)).digest : 'no file'
      if (found !== digest) throw await whyOther(digest, found, made)
      await rename(joining, pathOf(digest))
    },
    async staged() {
      return (await readdir(blobs, { withFileTypes: true })).filter(entry => entry.isFile() && !entry.name.includes('.')).map(entry => ({ digest: digestFromHex(entry.name), path: join(blobs, entry.name) }))
    },
    over: store => overlay(store, pathOf),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Only what validation asks for is answered from staging; nothing can be put into the store this way. What is no plain file is not there: the folder was written by the unpacker. */
function overlay(store: BlobStore, pathOf: (digest: Digest) => string): BlobStore {
  const sizeOf = (digest: Digest): number | undefined => {
    const found = lstatSync(pathOf(digest), { throwIfNoEntry: false })
    return found?.isFile() === true ? found.size : undefined
  }
  const has = (digest: Digest): boolean => sizeOf(digest) !== undefined
  return {
    ...store,
    blobPath: digest => (has(digest) ? pathOf(digest) : store.blobPath(digest)),
    has: digest => has(digest) || store.has(digest),
    size: digest => sizeOf(digest) ?? store.size(digest),
    open: digest => (has(digest) ? open(pathOf(digest), 'r') : store.open(digest)),
    async read(digest) {
      if (!has(digest)) return await store.read(digest)
      const bytes = await readFile(pathOf(digest))
      if (digestOf(bytes) === digest) return bytes
      throw new DrydockError('DD-CORE-005', `expected the staged bytes of ${digest}, found others`, 'the disk or somebody changed them: run the import again')
    },
  }
}
