import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import Type from 'typebox'
import { digestFromHex, digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { canonicalJson } from '../format/canonical-json.ts'
import { checkShape } from '../format/check.ts'
import type { Workspace } from '../format/collection-lock.ts'
import { DigestText, itemKey } from '../format/item.ts'
import type { Manifest } from '../format/manifest.ts'
import { encodeManifest } from '../format/manifest-file.ts'
import { ChunkMap, type ChunkMaps } from './chunk-map.ts'
import type { OpenWorkspace } from './workspace.ts'

/**
 * What the sender remembers, so that a site without a way back gets deltas too:
 *
 *     WORKSPACE/records/<epoch>-<sequence>.sent.zst    what a site holds that imported this bundle
 *     WORKSPACE/records/chunks/<hex>.map.zst           how a blob was cut into chunks
 *
 * zstd with its checksum over canonical JSON: a record that rotted is noticed. Nothing of it is needed for anything but smaller bundles.
 */
const RECORDS = 'records'
const MAPS = 'chunks'
const SENT_SUFFIX = '.sent.zst'
const MAP_SUFFIX = '.map.zst'
/** What a record may unfold to. */
const RECORD_BYTES = 1024 * 1024 * 1024
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 1 } }

/** What a site holds for certain when it has imported this bundle: every blob of every item that the lock named. */
export const SentRecord = Type.Object(
  {
    format: Type.Literal('drydock-sent/1'),
    epoch: Type.Integer({ minimum: 0 }),
    sequence: Type.Integer({ minimum: 1 }),
    /** SHA-256 of the bundle's manifest.json: what a delta on it names as its base. */
    manifest: DigestText,
    /** `document` is the SHA-256 of the item's canonical JSON. */
    items: Type.Array(Type.Object({ key: Type.String(), document: DigestText, blobs: Type.Array(DigestText) }, { additionalProperties: false })),
  },
  { additionalProperties: false },
)
export type SentRecord = Type.Static<typeof SentRecord>

/** After the bundle is whole, and before its sequence is kept: a sequence that was used has a record. */
export async function keepRecord({ folder, lock }: Pick<OpenWorkspace, 'folder' | 'lock'>, manifest: Manifest): Promise<void> {
  const { epoch, sequence } = manifest
  const items = lock.items.map(item => ({ key: itemKey(item), document: digestOf(canonicalJson(item)), blobs: item.blobs.map(({ digest }) => digest) }))
  const record: SentRecord = { format: 'drydock-sent/1', epoch, sequence, manifest: digestOf(encodeManifest(manifest)), items }
  await ensureFolder(join(folder, RECORDS))
  await writeDurably(join(folder, RECORDS, sentName(epoch, sequence)), pack(record), { mode: 0o644 })
}

/**
 * What a delta stands on that is made without a receipt.
 * @throws DD-BUNDLE-031 when nothing is remembered of this sequence
 */
export async function readRecord(folder: string, { epoch }: Pick<Workspace, 'epoch'>, sequence: number): Promise<{ base: Digest; baseSequence: number; inventory: ReadonlySet<string>; items: ReadonlySet<string> }> {
  const record = await readFile(join(folder, RECORDS, sentName(epoch, sequence))).then(bytes => unpack(SentRecord, bytes, 'the record'), (failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return undefined
    throw failure
  })
  if (record !== undefined) return { base: record.manifest, baseSequence: record.sequence, inventory: new Set(record.items.flatMap(({ blobs }) => blobs)), items: new Set(record.items.map(({ document }) => document)) }
  const known = await sequencesOf(folder, epoch)
  throw new DrydockError('DD-BUNDLE-031', `expected a whole record of sequence ${sequence} in epoch ${epoch} of this workspace, found ${known.length === 0 ? 'none of any' : `only ${known.join(', ')}`}`, 'name a sequence that this workspace built and the site imported, or build without --since-bundle')
}

async function sequencesOf(folder: string, epoch: number): Promise<number[]> {
  const names = await readdir(join(folder, RECORDS)).catch(() => [])
  return names.flatMap(name => {
    const [, of, sequence] = /^(\d+)-(\d+)\.sent\.zst$/.exec(name) ?? []
    return of === String(epoch) ? [Number(sequence)] : []
  }).toSorted((a, b) => a - b)
}

/** The maps of a workspace. One that is damaged counts as none: then a delta is larger, or made from the blob's own bytes. */
export function chunkMapsOf(folder: string): ChunkMaps {
  const maps = join(folder, RECORDS, MAPS)
  const pathOf = (blob: Digest): string => join(maps, `${hexOf(blob)}${MAP_SUFFIX}`)
  return {
    async get(blob) {
      const map = await readFile(pathOf(blob)).then(bytes => unpack(ChunkMap, bytes, 'the chunk map'), () => undefined)
      return map?.blob === blob && map.contents.length === map.sizes.length * 64 ? map : undefined
    },
    async keep(map) {
      await ensureFolder(join(folder, RECORDS))
      await ensureFolder(maps)
      await writeDurably(pathOf(map.blob), pack(map), { mode: 0o644 })
    },
    async list() {
      const names = await readdir(maps).catch(() => [])
      return names.filter(name => name.length === 64 + MAP_SUFFIX.length && name.endsWith(MAP_SUFFIX)).map(name => digestFromHex(name.slice(0, 64)))
    },
  }
}

function sentName(epoch: number, sequence: number): string {
  return `${epoch}-${String(sequence).padStart(4, '0')}${SENT_SUFFIX}`
}

function pack(document: SentRecord | ChunkMap): Buffer {
  return zstdCompressSync(canonicalJson(document), ZSTD)
}

/** Nothing for what is damaged, or of another version of the chunker. */
function unpack<S extends Type.TSchema>(schema: S, bytes: Buffer, what: string): Type.Static<S> | undefined {
  try {
    return checkShape(schema, JSON.parse(zstdDecompressSync(bytes, { maxOutputLength: RECORD_BYTES }).toString('utf8')), what)
  } catch {
    return undefined
  }
}
