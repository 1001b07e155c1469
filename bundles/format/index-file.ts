import { getHeapStatistics } from 'node:v8'
import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib'
import { digestFromHex, digestOf } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { checkCopies, checkParts, isPieces, sameParts } from './blob-parts.ts'
import { canonicalJson } from './canonical-json.ts'
import { checkShape } from './check.ts'
import { BLOBS, CHUNKS, IndexLine, PIECES, type PartsLine, type PayloadEntry } from './index-line.ts'
import { itemKey, type Item, type ItemBlob } from './item.ts'
import { CHUNK_STORED_BYTES, INDEX_LINE_BYTES, INDEX_PART_BYTES, PARTS_PER_LINE, PIECE_BYTES } from './limits.ts'
import { disagrees } from './disagrees.ts'
import { heapOf } from './heap.ts'
import type { IndexPart, Manifest } from './manifest.ts'
import { parseCanonicalJson } from './strict-json.ts'

/** What a bundle holds, in order: payload entries, then items by key. Parts of a blob stand at every item that has it. */
export type Index = { entries: PayloadEntry[]; items: Item[] }

/** zstd at one fixed level, one thread, with checksum off: the digest in the manifest is the checksum. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 0 } }

/** The index as compressed parts, each closed before it would exceed INDEX_PART_BYTES. */
export function encodeIndex(index: Index): { part: IndexPart; bytes: Buffer }[] {
  const parts: { part: IndexPart; bytes: Buffer }[] = []
  let lines: string[] = []
  let open = { contentSize: 0, entries: 0, items: 0 }
  const close = (): void => {
    if (lines.length === 0) return
    const bytes = zstdCompressSync(lines.join(''), ZSTD)
    parts.push({ part: { name: `index/${parts.length}`, digest: digestOf(bytes), size: bytes.length, ...open }, bytes })
    lines = []
    open = { contentSize: 0, entries: 0, items: 0 }
  }
  const add = (line: IndexLine, count?: 'entries' | 'items'): void => {
    const text = `${canonicalJson(line)}\n`
    const size = Buffer.byteLength(text)
    if (size > INDEX_LINE_BYTES) throw new DrydockError('DD-BUNDLE-010', `expected index lines of at most ${INDEX_LINE_BYTES} bytes, found ${size}`, 'leave out metadata that no mirror needs')
    if (open.contentSize + size > INDEX_PART_BYTES) close()
    lines.push(text)
    open.contentSize += size
    if (count !== undefined) open[count]++
  }
  for (const entry of index.entries) add({ entry }, 'entries')
  for (const parts of partsLines(index.items)) add({ parts })
  for (const item of index.items) add({ item: { ...item, blobs: item.blobs.map(withPiecesOnly) } }, 'items')
  close()
  return parts
}

/** What is made of chunks and copies, each blob once, in lines that are short enough. */
function* partsLines(items: readonly Item[]): Generator<PartsLine> {
  const told = new Set<string>()
  for (const { digest: blob, parts } of items.flatMap(item => item.blobs)) {
    if (parts === undefined || isPieces(parts) || told.has(blob)) continue
    told.add(blob)
    for (let at = 0; at < parts.length; at += PARTS_PER_LINE) yield { blob, list: parts.slice(at, at + PARTS_PER_LINE) as PartsLine['list'] }
  }
}

function withPiecesOnly({ parts, ...blob }: ItemBlob): ItemBlob {
  return parts === undefined || !isPieces(parts) ? blob : { ...blob, parts }
}

/**
 * Checks every part against the signed manifest before it is decompressed, and the whole against itself.
 * @param parts the compressed bytes of `manifest.index`, in its order.
 * @throws DD-BUNDLE-012, and 009, 010, DD-CORE-009 for lines
 */
export function parseIndex(manifest: Manifest, parts: readonly Uint8Array[]): Index {
  const index: Index = { entries: [], items: [] }
  const lists: Lists = { of: new Map(), last: undefined }
  const room = roomFor(manifest.name)
  if (parts.length !== manifest.index.length) throw disagrees(`${manifest.index.length} parts`, `${parts.length}`)
  manifest.index.forEach((part, k) => {
    if (part.name !== `index/${k}`) throw disagrees(`part ${k} to be named index/${k}`, part.name)
    const before = { entries: index.entries.length, items: index.items.length }
    for (const line of linesOf(part, parts[k]!)) {
      room(line)
      addLine(index, lists, line, part.name)
    }
    if (index.entries.length - before.entries !== part.entries) throw disagrees(`${part.entries} entries in ${part.name}`, `${index.entries.length - before.entries}`)
    if (index.items.length - before.items !== part.items) throw disagrees(`${part.items} items in ${part.name}`, `${index.items.length - before.items}`)
  })
  checkEntries(manifest, index.entries)
  giveParts(index.items, lists.of)
  checkItems(manifest, index)
  return index
}

/** Chunks and copies by the blob that they make, in the order of their lines; `last` is the one that the line before was about. */
type Lists = { of: Map<string, PartsLine['list']>; last: string | undefined }

/** Of what this process may use at all. Two may be held at one time, of an import that is staged and of one that is verified, and the rest of the appliance must go on. */
const HEAP_SHARE = 0.4

/**
 * A kilobyte of zstd unfolds to megabytes of `{},{},{}`, and these to a gigabyte of objects: whoever may sign could end the process with a
 * file of 20 KB, and again at each start. So what the lines will take is summed up before they are parsed.
 */
function roomFor(name: string): (line: Uint8Array) => void {
  const most = getHeapStatistics().heap_size_limit * HEAP_SHARE
  let bytes = 0
  return line => {
    bytes += heapOf(line)
    if (bytes > most) throw new DrydockError('DD-BUNDLE-010', `expected the index of ${name} to need at most ${Math.round(most)} bytes of memory here, found that it needs more`, 'have the sender split the collection, or give this machine more memory')
  }
}

function* linesOf(part: IndexPart, bytes: Uint8Array): Generator<Buffer> {
  if (bytes.length !== part.size || digestOf(bytes) !== part.digest) throw disagrees(`${part.name} to be ${part.size} bytes with ${part.digest}`, `${bytes.length} bytes with ${digestOf(bytes)}`)
  if (part.contentSize > INDEX_PART_BYTES) {
    throw new DrydockError('DD-BUNDLE-010', `expected ${part.name} to be at most ${INDEX_PART_BYTES} bytes, found ${part.contentSize} announced`, 'build the bundle again with this version')
  }
  const content = decompress(part, bytes)
  let start = 0
  while (start < content.length) {
    const end = content.indexOf(0x0a, start)
    if (end === -1) throw disagrees(`${part.name} to end with a newline`, 'none')
    if (end - start >= INDEX_LINE_BYTES) throw new DrydockError('DD-BUNDLE-010', `expected index lines of at most ${INDEX_LINE_BYTES} bytes, found ${end - start}`, 'build the bundle again with this version')
    yield content.subarray(start, end)
    start = end + 1
  }
}

/** So that the output is one buffer that it never fills. Node wants at least 64. */
const SPARE_BYTES = 64

/** Stopped at the signed size, however much the frame would unfold to. */
function decompress(part: IndexPart, bytes: Uint8Array): Buffer {
  let content: Buffer
  try {
    content = zstdDecompressSync(bytes, { maxOutputLength: Math.max(part.contentSize, 1), chunkSize: part.contentSize + SPARE_BYTES, params: { [constants.ZSTD_d_windowLogMax]: 24 } })
  } catch (cause) {
    throw disagrees(`${part.name} to unfold to ${part.contentSize} bytes`, 'more, or bytes that are not zstd', cause)
  }
  if (content.length !== part.contentSize) throw disagrees(`${part.name} to unfold to ${part.contentSize} bytes`, `${content.length}`)
  return content
}

function addLine(index: Index, lists: Lists, bytes: Buffer, where: string): void {
  const line = checkShape(IndexLine, parseCanonicalJson(bytes, where), where)
  if ('item' in line) index.items.push(line.item)
  else if (index.items.length > 0) throw disagrees('all entries and parts before all items', `one after an item in ${where}`)
  else if ('parts' in line) addParts(lists, line.parts)
  else if (lists.of.size > 0) throw disagrees('all entries before all parts', `an entry after parts in ${where}`)
  else index.entries.push(line.entry)
}

function addParts(lists: Lists, { blob, list }: PartsLine): void {
  const before = lists.of.get(blob)
  if (before === undefined) lists.of.set(blob, list)
  else if (lists.last === blob) for (const part of list) before.push(part)
  else throw disagrees(`all parts of ${blob} one after the other`, 'more of them after those of another')
  lists.last = blob
}

/** From here on a blob in chunks is like one in pieces: its parts stand at the items that have it. */
function giveParts(items: readonly Item[], lists: Lists['of']): void {
  const unused = new Set(lists.keys())
  for (const item of items) {
    for (const blob of item.blobs) {
      if (blob.parts !== undefined && !isPieces(blob.parts)) throw disagrees(`pieces only at ${itemKey(item)}`, 'chunks or copies, which have lines of their own')
      const list = lists.get(blob.digest)
      if (list === undefined) continue
      if (blob.parts !== undefined) throw disagrees(`${blob.digest} of ${itemKey(item)} to have one list of parts`, 'two')
      blob.parts = list
      unused.delete(blob.digest)
    }
  }
  if (unused.size > 0) throw disagrees('parts of blobs that items have', `parts of ${[...unused][0]}, which none has`)
}

/** Entries of these folders are never larger. */
const MOST_BYTES: ReadonlyMap<string, number> = new Map([[PIECES, PIECE_BYTES], [CHUNKS, CHUNK_STORED_BYTES]])

function checkEntries(manifest: Manifest, entries: readonly PayloadEntry[]): void {
  const names = new Set<string>()
  for (const entry of entries) {
    const [folder, hex] = entry.name.split('/') as [string, string]
    const most = MOST_BYTES.get(`${folder}/`) ?? Infinity
    if (entry.size > most) throw new DrydockError('DD-BUNDLE-010', `expected ${folder} of at most ${most} bytes, found ${entry.size}`, 'build the bundle again with this version')
    if (digestFromHex(hex) !== entry.digest) throw disagrees(`${entry.name} to be named by its digest`, entry.digest)
    if (names.has(entry.name)) throw disagrees('every entry once', `${entry.name} twice`)
    names.add(entry.name)
  }
  let first = 0
  manifest.volumes.forEach((volume, k) => {
    const mine = entries.slice(volume.firstEntry, volume.firstEntry + volume.entries)
    const size = mine.reduce((sum, entry) => sum + entry.size, 0)
    if (volume.entries === 0 && manifest.volumes.length > 1) throw disagrees(`volume ${k + 1} of ${manifest.volumes.length} to hold something`, 'nothing')
    if (volume.firstEntry !== first || mine.length !== volume.entries || mine.some(entry => entry.volume !== k + 1) || size !== volume.payloadSize) {
      throw disagrees(`volume ${k + 1} to hold ${volume.entries} entries from ${first} on and ${volume.payloadSize} bytes`, `${mine.length} entries from ${volume.firstEntry} on and ${size} bytes`)
    }
    first += volume.entries
  })
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0)
  if (first !== entries.length || manifest.totals.entries !== entries.length || manifest.totals.bytes !== bytes) {
    throw disagrees(`${manifest.totals.entries} entries and ${manifest.totals.bytes} bytes in all`, `${entries.length} and ${bytes}`)
  }
}

function checkItems(manifest: Manifest, index: Index): void {
  const sizes = new Map(index.entries.map(entry => [entry.name, entry.size]))
  const unused = new Set(sizes.keys())
  const counts: Record<string, number> = {}
  const known = new Map<string, ItemBlob['parts']>()
  const lengths = new Map<string, number>()
  const contents = new Map<string, string>()
  let last = ''
  for (const item of index.items) {
    const key = itemKey(item)
    if (key <= last) throw disagrees('items in the order of their keys, each once', `${key} after ${last}`)
    last = key
    counts[item.kind] = (counts[item.kind] ?? 0) + 1
    for (const blob of item.blobs) {
      const isNew = !known.has(blob.digest)
      if (!isNew && !sameParts(known.get(blob.digest), blob.parts)) throw disagrees(`${blob.digest} of ${key} to have the same parts everywhere`, 'others')
      known.set(blob.digest, blob.parts)
      const whole = `${BLOBS}${blob.digest.slice('sha256:'.length)}`
      const size = sizes.get(whole)
      if (blob.parts !== undefined) {
        if (size !== undefined) throw disagrees(`${blob.digest} of ${key} to come whole or in parts`, 'both')
        if (isNew) checkParts(key, blob, blob.parts, { sizes, contents, isDelta: manifest.base !== undefined })
        else if (blob.size !== lengths.get(blob.digest)) throw disagrees(`${blob.digest} of ${key} to be as long as its parts, ${lengths.get(blob.digest)} bytes`, `${blob.size}`)
        lengths.set(blob.digest, blob.size)
        if (isNew) for (const part of blob.parts) if ('entry' in part) unused.delete(part.entry)
        continue
      }
      if (size === undefined && manifest.base === undefined) throw disagrees(`every blob of ${key} to be in the bundle`, `none for ${blob.digest}`)
      if (size !== undefined && size !== blob.size) throw disagrees(`${blob.digest} of ${key} to be ${blob.size} bytes`, `${size}`)
      unused.delete(whole)
    }
  }
  for (const [blob, parts] of known) checkCopies(blob, parts, digest => sizes.has(`${BLOBS}${digest.slice('sha256:'.length)}`) || known.get(digest) !== undefined)
  if (unused.size > 0) throw disagrees('every entry to belong to an item', `${unused.size} that belong to none (${[...unused][0]})`)
  if (canonicalJson(counts) !== canonicalJson(manifest.totals.items)) throw disagrees(`items ${canonicalJson(manifest.totals.items)}`, canonicalJson(counts))
}
