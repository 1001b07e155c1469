import { DrydockError } from '../../appliance/core/error.ts'
import type { PayloadEntry } from '../format/index-line.ts'
import type { Manifest } from '../format/manifest.ts'
import { INDEX_BYTES, INDEX_PART_BYTES, MANIFEST_BYTES, SIGNATURES_BYTES } from '../format/limits.ts'
import { MANIFEST_NAME, SIGNATURES_NAME } from '../format/manifest-file.ts'
import { parityEntries } from '../format/parity.ts'
import type { VolumeReader } from './reader.ts'

/** The only bytes of a bundle that are looked at before its signatures are checked: read once, capped, not parsed here. */
export type VolumeHead = { manifest: Buffer; signatures: string }

/** @throws DD-BUNDLE-007 when the volume begins with something else, DD-BUNDLE-010 when it is too large. */
export async function readHead(volume: VolumeReader): Promise<VolumeHead> {
  const manifest = await readWhole(volume, MANIFEST_NAME, MANIFEST_BYTES)
  const signatures = await readWhole(volume, SIGNATURES_NAME, SIGNATURES_BYTES)
  return { manifest, signatures: signatures.toString('latin1') }
}

/** The compressed parts that a manifest announces, each of exactly its size. @throws DD-BUNDLE-007, DD-BUNDLE-010 */
export async function readIndexParts(volume: VolumeReader, parts: readonly { name: string; size: number }[]): Promise<Buffer[]> {
  const read: Buffer[] = []
  const all = parts.reduce((bytes, { size }) => bytes + size, 0)
  if (all > INDEX_BYTES) throw new DrydockError('DD-BUNDLE-010', `expected an index of at most ${INDEX_BYTES} bytes in all its parts, found ${all} announced`, 'have the sender split the collection')
  for (const part of parts) {
    // A part is held in memory: what is signed may still be a mistake of its maker.
    const bytes = await readWhole(volume, part.name, Math.min(part.size, INDEX_PART_BYTES))
    if (bytes.length !== part.size) throw unexpected(`${part.name} with ${part.size} bytes`, `${bytes.length} bytes`)
    read.push(bytes)
  }
  return read
}

/** The name of the first entry behind the index, by which a volume tells which one of its set it is; null when it has none, or is the only one. */
export async function readFirstName(volume: VolumeReader, manifest: Manifest): Promise<string | null> {
  return isAlone(manifest) ? null : ((await volume.peek())?.name ?? null)
}

/**
 * Which volume of its set this one is; parity volumes count on after the last one. Nothing else in a volume says it, neither its name
 * nor its head, so that they cannot disagree.
 * @param first what `readFirstName` gave
 * @throws DD-BUNDLE-007 when it begins with no volume's first entry
 */
export function numberOfFirst(manifest: Manifest, entries: readonly PayloadEntry[], first: string | null): number {
  const { volumes, parity = [] } = manifest
  if (isAlone(manifest)) return 1
  const number = volumes.findIndex(({ firstEntry }) => (entries[firstEntry]?.name ?? null) === first) + 1
  if (number > 0) return number
  const shard = parity.findIndex((_shard, k) => parityEntries(manifest, volumes.length + k + 1)[0]!.name === first) + 1
  if (shard > 0) return volumes.length + shard
  throw unexpected(`the first entry of one of ${manifest.volumes.length} volumes`, first === null ? 'the end of the archive' : JSON.stringify(first))
}

/** The same of a volume that is read up to its index. @throws DD-BUNDLE-007 */
export async function readVolumeNumber(volume: VolumeReader, manifest: Manifest, entries: readonly PayloadEntry[]): Promise<number> {
  return numberOfFirst(manifest, entries, await readFirstName(volume, manifest))
}

function isAlone({ volumes, parity = [] }: Manifest): boolean {
  return volumes.length + parity.length === 1
}

async function readWhole(volume: VolumeReader, name: string, most: number): Promise<Buffer> {
  const entry = await volume.entry()
  if (entry === undefined || entry.name !== name) throw unexpected(name, entry === undefined ? 'the end of the archive' : JSON.stringify(entry.name))
  if (entry.size > most) {
    throw new DrydockError('DD-BUNDLE-010', `expected ${name} to be at most ${most} bytes, found ${entry.size}`, 'this file was not written by `drydock bundle build`; fetch the bundle again')
  }
  const whole = Buffer.alloc(entry.size)
  let filled = 0
  for (let part = await volume.chunk(); part !== undefined; part = await volume.chunk()) filled += part.copy(whole, filled)
  return whole
}

/** An entry that is not the one that must stand here. */
export function unexpected(expected: string, found: string): DrydockError {
  return new DrydockError('DD-BUNDLE-007', `expected ${expected} next in the volume, found ${found}`, 'this file was changed after it was built, or is not a Drydock bundle; fetch it again')
}
