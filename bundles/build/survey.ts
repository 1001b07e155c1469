import { createHash } from 'node:crypto'
import { asDrydockError, DrydockError, isErrno } from '../../appliance/core/error.ts'
import { digestOfHash } from '../../appliance/core/digest.ts'
import { BLOCK_BYTES, headerOf, padding, type VolumeHead } from '../archive/index.ts'
import { entriesOfAny } from '../format/brought.ts'
import type { PayloadEntry } from '../format/index-line.ts'
import type { Manifest } from '../format/manifest.ts'
import { volumeName } from '../format/manifest-file.ts'
import { SIGNATURES_BYTES } from '../format/limits.ts'
import { shardBytes } from '../format/parity.ts'
import { hopelessBytes, joined, lostShard, segmentsOfVolume, shardOf, type Range, type Shard } from '../parity/index.ts'
import { checkPayload, openBundle, type OpenedVolume } from './check-volume.ts'
import { checkOfOne, checkOnce } from './open-set.ts'
import { openAnew, type AnewFile } from './read-anew.ts'

/** One file of a set. `why` says what is wrong with it, `gaps` which bytes of its shard are lost; a file may be damaged and still have all of its shard. */
export type SurveyedVolume = { file: string; number: number; why?: DrydockError; gaps: Range[]; payloadOffset: number; direct: boolean }

export type Survey = {
  /** One volume of the set whose head is good. */
  first: Pick<OpenedVolume, 'head' | 'manifest' | 'manifestDigest' | 'index' | 'indexParts'>
  volumes: SurveyedVolume[]
  /** Files whose head cannot be read, and that could not be told to be any volume. */
  strangers: { file: string; why: DrydockError }[]
  /** Numbers of volumes that are not among the files; parity volumes count on after the last one. */
  missing: number[]
  /** Bytes of a shard at which too few shards are here to rebuild the others. */
  hopeless: number
}

export type SurveyOptions = { judge?: ((head: VolumeHead) => Promise<unknown>) | undefined; signal?: AbortSignal | undefined; progress?: (file: string, done: number, total: number) => void }

/**
 * Reads every byte of these volumes, in any order, and says which ones are good, damaged and missing. A damaged one is read to its end:
 * what is good in it helps to rebuild the others.
 * @throws the fault of the first file when no head can be read; DD-BUNDLE-017, 019
 */
export async function surveySet(files: readonly string[], options: SurveyOptions = {}): Promise<Survey> {
  const { opened, headless } = await openAll(files, options.judge)
  try {
    if (opened.length === 0) throw headless[0]!.why
    const set = opened.map(({ volume }) => volume).reduce((best, volume) => (volume.head.signatures.length > best.head.signatures.length ? volume : best))
    const payloadOffset = headBytes(set)
    const volumes: SurveyedVolume[] = []
    for (const { file, volume } of opened) volumes.push(await surveyVolume(file, volume, options))
    const strangers: Survey['strangers'] = []
    for (const { file, why } of headless) {
      const known = volumes.map(volume => volume.number)
      const found = (await probe(file, set, payloadOffset, 1, known)) ?? (await probe(file, set, payloadOffset - signatureBytes(set), SIGNATURE_BLOCKS, known))
      if (found === undefined) strangers.push({ file, why })
      else volumes.push({ file, why, ...found, ...(await entriesGood(file, found.payloadOffset, entriesOfAny(set.manifest, set.index, found.number), options.signal)) })
    }
    volumes.sort((a, b) => a.number - b.number)
    const missing = numbersOf(set.manifest).filter(number => !volumes.some(volume => volume.number === number))
    const survey = { first: set, volumes, strangers, missing, hopeless: 0 }
    return { ...survey, hopeless: hopelessBytes(shardsOf(survey), set.manifest.volumes.length, shardBytes(set.manifest.volumes)) }
  } finally {
    for (const { volume } of opened) await volume.close()
  }
}

/** All volumes and parity volumes of a set. */
export function numbersOf({ volumes, parity = [] }: Manifest): number[] {
  return Array.from({ length: volumes.length + parity.length }, (_, k) => k + 1)
}

/** Every shard of the set in its order: what the files hold, and nothing of what is missing. */
export function shardsOf({ first: { manifest, index }, volumes }: Omit<Survey, 'hopeless'>): Shard[] {
  return numbersOf(manifest).map(number => {
    const volume = volumes.find(other => other.number === number)
    const entries = entriesOfAny(manifest, index, number)
    if (volume === undefined) return lostShard(entries.reduce((sum, { size }) => sum + size, 0))
    return shardOf(segmentsOfVolume(volume.file, volume.payloadOffset, entries), volume.gaps)
  })
}

/** As many as the largest file of signatures has, and the header behind it. */
const SIGNATURE_BLOCKS = Math.ceil(SIGNATURES_BYTES / BLOCK_BYTES) + 1

type Opened = { file: string; volume: OpenedVolume }

async function openAll(files: readonly string[], judge: SurveyOptions['judge']): Promise<{ opened: Opened[]; headless: { file: string; why: DrydockError }[] }> {
  const opened: Opened[] = []
  const headless: { file: string; why: DrydockError }[] = []
  try {
    for (const file of files) {
      const volume = await openBundle(file, judge).catch((failure: unknown) => asDrydockError(failure))
      if (!(volume instanceof DrydockError)) {
        opened.push({ file, volume })
        checkOfOne({ file: opened[0]!.file, ...opened[0]!.volume }, { file, ...volume })
        checkOnce(opened.map(other => ({ file: other.file, number: other.volume.number })))
      } else if (volume.code === 'DD-BUNDLE-017') throw volume
      else headless.push({ file, why: volume })
    }
  } catch (failure) {
    for (const { volume } of opened) await volume.close()
    throw failure
  }
  return { opened, headless }
}

/** First as strictly as an importer does; only what fails there is looked at entry by entry. */
async function surveyVolume(file: string, volume: OpenedVolume, { signal, progress }: SurveyOptions): Promise<SurveyedVolume> {
  const payloadOffset = headBytes(volume)
  try {
    await checkPayload(volume, { signal, progress: (done, total) => progress?.(file, done, total) })
    return { file, number: volume.number, gaps: [], payloadOffset, direct: volume.direct() }
  } catch (failure) {
    signal?.throwIfAborted()
    return { file, number: volume.number, why: asDrydockError(failure), payloadOffset, ...(await entriesGood(file, payloadOffset, entriesOfAny(volume.manifest, volume.index, volume.number), signal)) }
  }
}

/** Where the payload begins in a volume with this head. */
function headBytes({ head, indexParts }: Pick<OpenedVolume, 'head' | 'indexParts'>): number {
  return [head.manifest.length, head.signatures.length, ...indexParts.map(part => part.length)].reduce((sum, size) => sum + BLOCK_BYTES + size + padding(size), 0)
}

/** What the signatures take of a head, filled up to whole blocks. */
function signatureBytes({ head: { signatures } }: Survey['first']): number {
  return signatures.length + padding(signatures.length)
}

/**
 * Which volume a file is whose head is bad or that too few have signed, and where its payload begins: the header of its first entry stands
 * where the head of the others ends, or, where it bears other signatures than they, some blocks before or behind that.
 */
async function probe(path: string, set: Survey['first'], from: number, blocks: number, known: readonly number[]): Promise<{ number: number; payloadOffset: number } | undefined> {
  const file = await openAnew(path)
  try {
    const headers = numbersOf(set.manifest).filter(number => !known.includes(number)).flatMap(number => entriesOfAny(set.manifest, set.index, number).slice(0, 1).map(entry => ({ number, header: headerOf(entry) })))
    for (let payloadOffset = from; payloadOffset < from + blocks * BLOCK_BYTES; payloadOffset += BLOCK_BYTES) {
      const block = Buffer.from(await file.read(payloadOffset, BLOCK_BYTES))
      const found = headers.find(({ header }) => header.equals(block))
      if (found !== undefined) return { number: found.number, payloadOffset }
    }
    return undefined
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

/** Entries whose bytes are the ones that were signed, wherever else the file is damaged: they are found by their place, not by parsing. */
async function entriesGood(path: string, payloadOffset: number, entries: readonly PayloadEntry[], signal: AbortSignal | undefined): Promise<{ gaps: Range[]; direct: boolean }> {
  const file = await openAnew(path)
  try {
    const bad: Range[] = []
    let at = 0
    for (const [k, { position, length }] of segmentsOfVolume(path, payloadOffset, entries).entries()) {
      signal?.throwIfAborted()
      if ((await digestAt(file, position, length)) !== entries[k]!.digest) bad.push({ from: at, to: at + length })
      at += length
    }
    return { gaps: joined(bad), direct: file.direct }
  } finally {
    await file.close()
  }
}

async function digestAt(file: AnewFile, position: number, length: number): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for (let at = 0; at < length; ) {
      const bytes = await file.read(position + at, length - at)
      if (bytes.length === 0) return undefined
      hash.update(bytes)
      at += bytes.length
    }
    return digestOfHash(hash)
  } catch (failure) {
    if (isErrno(failure, 'EIO')) return undefined
    throw failure
  }
}

/** Nothing of it is damaged; some of those who signed other volumes of the set have not signed this one. */
export function lacksSignatures({ code }: DrydockError): boolean {
  return code === 'DD-TRUST-012'
}

/** What a person must know of a set that is not whole, one line each; none when it is. */
export function surveyLines({ first: { manifest }, volumes, strangers, missing, hopeless }: Survey): string[] {
  const data = manifest.volumes.length
  const parity = manifest.parity?.length ?? 0
  const damaged = volumes.filter(({ why }) => why !== undefined)
  const lostData = missing.filter(number => number <= data)
  if (damaged.length === 0 && strangers.length === 0 && missing.length === 0) return []
  const lines = [
    ...damaged.map(({ file, number, why }) => `${lacksSignatures(why!) ? 'unsigned' : 'damaged '}   ${volumeName(manifest, number)} (${file}): ${why!.message}`),
    ...strangers.map(({ file, why }) => `${lacksSignatures(why) ? 'unsigned  ' : 'unreadable'} ${file}: ${why.message}`),
    ...missing.map((number, k) => `${k === 0 ? 'not here' : '        '}   ${volumeName(manifest, number)}`),
  ]
  if (parity === 0) return lines
  const here = volumes.filter(({ number, gaps }) => number > data && gaps.length === 0).length
  const needed = data - volumes.filter(({ gaps }) => gaps.length === 0).length
  const enough = hopeless === 0
  lines.push(`parity     ${here} of ${parity} here: ${enough ? (lostData.length + damaged.length === 0 ? 'not needed' : 'enough to rebuild what is missing or damaged') : `${needed} more ${needed === 1 ? 'volume or parity volume makes' : 'volumes or parity volumes make'} it whole`}`)
  return lines
}
