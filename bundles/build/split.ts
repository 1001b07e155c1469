import { DrydockError } from '../../appliance/core/error.ts'
import { BLOCK_BYTES, END_OF_ARCHIVE, padding } from '../archive/index.ts'
import { encodeIndex, type Index } from '../format/index-file.ts'
import { PIECE_BYTES, SIGNATURES_BYTES } from '../format/limits.ts'
import type { Manifest, Volume } from '../format/manifest.ts'
import { encodeManifest } from '../format/manifest-file.ts'

/** A blob larger than this travels in pieces: small volumes get small pieces, so that little of a volume stays empty. */
export function pieceBytes(volumeBytes: number | undefined): number {
  if (volumeBytes === undefined) return PIECE_BYTES
  return Math.max(BLOCK_BYTES, Math.min(PIECE_BYTES, Math.floor(volumeBytes / 4 / BLOCK_BYTES) * BLOCK_BYTES))
}

export type Split = { index: Index; parts: ReturnType<typeof encodeIndex>; manifest: Manifest; manifestBytes: Buffer }

/** Rounds until the head fits: each may only make the room for payload smaller, so they end. */
const ROUNDS = 32

/**
 * Gives every entry its volume, in the order of the index, and makes the manifest that says so. No volume will be larger than
 * `volumeBytes`, with headers, padding, end blocks, and room for all the signatures that may ever be added.
 * The index is in every volume and itself says where the entries are, so its size is found by trying.
 * @throws DD-BUNDLE-018 when the volumes are too small for their head, or too many
 */
export function splitIndex(index: Index, volumeBytes: number | undefined, manifestOf: (index: Index, volumes: Volume[], parts: Manifest['index']) => Manifest): Split {
  let room = volumeBytes === undefined ? Infinity : volumeBytes - headBytes([], SIGNATURES_BYTES)
  for (let round = 0; round < ROUNDS && room > 0; round++) {
    const { entries, volumes } = fill(index.entries, room)
    if (volumes.length > MOST_VOLUMES) break
    const split = { entries, items: index.items }
    const parts = encodeIndex(split)
    const manifest = manifestOf(split, volumes, parts.map(({ part }) => part))
    const manifestBytes = encodeManifest(manifest)
    const head = headBytes([manifestBytes.length, ...parts.map(({ bytes }) => bytes.length)], SIGNATURES_BYTES)
    if (volumeBytes === undefined || Math.max(manifest.parity === undefined ? 0 : stored(1), ...volumes.map(volume => volume.stored)) + head <= volumeBytes) return { index: split, parts, manifest, manifestBytes }
    room = Math.min(room - BLOCK_BYTES, volumeBytes - head)
  }
  throw new DrydockError('DD-BUNDLE-018', `expected volumes large enough for their head and at most ${MOST_VOLUMES} of them, found ${volumeBytes} bytes each`, 'build with larger volumes')
}

const MOST_VOLUMES = 999

/** Bytes that an entry takes in a tar: header, content, padding. */
function stored(size: number): number {
  return BLOCK_BYTES + size + padding(size)
}

/** Everything of a volume but its payload. */
function headBytes(sizes: readonly number[], signatures: number): number {
  return [...sizes, signatures].reduce((sum, size) => sum + stored(size), END_OF_ARCHIVE.length)
}

type Filled = { entries: Index['entries']; volumes: (Volume & { stored: number })[] }

/** The next volume begins where an entry does not fit any more: the order of the index is the order of the payload. */
function fill(entries: Index['entries'], room: number): Filled {
  const volumes: Filled['volumes'] = [{ payloadSize: 0, firstEntry: 0, entries: 0, stored: 0 }]
  const placed = entries.map((entry, k) => {
    const size = stored(entry.size)
    if (volumes.at(-1)!.entries > 0 && volumes.at(-1)!.stored + size > room) volumes.push({ payloadSize: 0, firstEntry: k, entries: 0, stored: 0 })
    const open = volumes.at(-1)!
    open.payloadSize += entry.size
    open.entries++
    open.stored += size
    return { ...entry, volume: volumes.length }
  })
  return { entries: placed, volumes }
}
