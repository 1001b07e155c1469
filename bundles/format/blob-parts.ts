import { canonicalJson } from './canonical-json.ts'
import { disagrees } from './disagrees.ts'
import { CHUNKS, PIECES } from './index-line.ts'
import { partBytes, type BlobPart, type ItemBlob, type Piece } from './item.ts'
import { CHUNK_BYTES } from './limits.ts'

/** `sizes` of entries by name; `contents` collects what each chunk unfolds to, which is one thing in a whole bundle. */
export type PartsContext = { sizes: ReadonlyMap<string, number>; contents: Map<string, string>; isDelta: boolean }

export function isPieces(parts: readonly BlobPart[]): parts is Piece[] {
  return parts.every(part => 'entry' in part && !('content' in part))
}

export function sameParts(a: ItemBlob['parts'], b: ItemBlob['parts']): boolean {
  return a === b || (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b))
}

/**
 * Every part is one that this bundle brings, as it is announced, or a copy in a delta; together they are as long as the blob.
 * @throws DD-BUNDLE-012
 */
export function checkParts(key: string, blob: ItemBlob, parts: readonly BlobPart[], context: PartsContext): void {
  const what = `${blob.digest} of ${key}`
  if (parts.length === 0) throw disagrees(`parts of ${what}`, 'none')
  let total = 0
  for (const part of parts) {
    checkPart(what, part, context)
    total += partBytes(part)
  }
  if (total !== blob.size) throw disagrees(`the parts of ${what} to be ${blob.size} bytes together`, `${total}`)
}

function checkPart(what: string, part: BlobPart, { sizes, contents, isDelta }: PartsContext): void {
  if (partBytes(part) === 0) throw disagrees(`parts of ${what} that are something`, 'one of 0 bytes')
  if ('from' in part) {
    if (!isDelta) throw disagrees(`every part of ${what} to be in the bundle, which stands on no other`, `a copy from ${part.from}`)
    if (!Number.isSafeInteger(part.offset + part.size)) throw disagrees(`a copy for ${what} that ends somewhere`, `${part.size} bytes at ${part.offset}`)
    return
  }
  const size = sizes.get(part.entry)
  if (size === undefined) throw disagrees(`every part of ${what} to be in the bundle`, `none for ${JSON.stringify(part.entry)}`)
  if ('content' in part) {
    if (!part.entry.startsWith(CHUNKS)) throw disagrees(`parts of ${what} that unfold to be chunks`, part.entry)
    if (part.content.size > CHUNK_BYTES) throw disagrees(`${part.entry} of ${what} to unfold to at most ${CHUNK_BYTES} bytes`, `${part.content.size}`)
    const content = `${part.content.size} ${part.content.digest}`
    if ((contents.get(part.entry) ?? content) !== content) throw disagrees(`${part.entry} of ${what} to unfold to one content`, 'two')
    contents.set(part.entry, content)
    return
  }
  if (part.entry !== `${PIECES}${part.digest.slice('sha256:'.length)}`) throw disagrees(`parts of ${what} to be pieces named by their digest`, part.entry)
  if (size !== part.size) throw disagrees(`${part.entry} of ${what} to be ${part.size} bytes`, `${size}`)
}

/** A copy is from what the receiver held before: what this bundle brings itself may not be there yet. @throws DD-BUNDLE-012 */
export function checkCopies(blob: string, parts: ItemBlob['parts'], isBrought: (digest: string) => boolean): void {
  for (const part of parts ?? []) {
    if ('from' in part && isBrought(part.from)) throw disagrees(`copies for ${blob} from blobs that were there before`, `one from ${part.from}, which this bundle brings`)
  }
}
