import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { seeded } from '../appliance/plan/prng.ts'

/** What a disk was told, in the order in which it was told: writes, flushes, and what the import on it said meanwhile. */
export type Entry = { kind: 'write'; offset: number; bytes: Buffer } | { kind: 'flush' } | ({ kind: 'said' } & Said)

/** An instant of the import's journal; `result` is the record that is in the journal for good from here on. */
export type Said = { text: string; result?: string }

/**
 * One instant at which the power goes: after the first `length` entries of the log. What a flush had confirmed is on the disk; of what was
 * written since, each piece is there by chance. `piece` is what the disk writes at once or not at all: a block, or only a sector of it.
 */
export type Cut = { length: number; keep: number; piece: 512 | 4096; seed: number; during: string }

/** What there is between two flushes: the entries that a cut may lose. */
type Stretch = { from: number; to: number; during: string }

const CHANCES = [0, 0, 0.1, 0.5, 0.9] as const
const BLOCK = 4096

/** Every stretch in which something was written, with what the import had said last. */
export function stretchesOf(log: readonly Entry[]): Stretch[] {
  const found: Stretch[] = []
  let [from, writes, during] = [0, 0, 'the start']
  const end = (to: number): void => {
    if (writes > 0) found.push({ from, to, during })
    ;[from, writes] = [to + 1, 0]
  }
  for (const [k, entry] of log.entries()) {
    if (entry.kind === 'write') writes++
    else if (entry.kind === 'said') during = entry.text
    else end(k)
  }
  end(log.length)
  return found
}

/** So many cuts, spread over what the import was doing before any of it is met twice, and over the stretches of each. */
export function chooseCuts(log: readonly Entry[], count: number, seed: number): Cut[] {
  const random = seeded(seed)
  const doing = Map.groupBy(stretchesOf(log), ({ during }) => during)
  const turns = [...doing.values()].map(stretches => stretches.toSorted(() => random() - 0.5))
  const cuts: Cut[] = []
  for (let round = 0; turns.length > 0 && cuts.length < count; round++) {
    for (const stretches of turns.toSorted(() => random() - 0.5)) {
      const { from, to, during } = stretches[round % stretches.length]!
      const writes = Array.from({ length: to - from }, (_, k) => from + k).filter(k => log[k]!.kind === 'write')
      // Late in a stretch there is more to lose; its very end is the most.
      const last = random() < 0.5 ? writes.at(-1)! : writes[Math.floor(random() * writes.length)]!
      cuts.push({ length: last + 1, keep: CHANCES[Math.floor(random() * CHANCES.length)]!, piece: random() < 0.25 ? 512 : 4096, seed: Math.floor(random() * 2 ** 31), during })
    }
  }
  return cuts.slice(0, count)
}

/** What the import had been told before the cut that its journal holds. */
export function resultsBefore(log: readonly Entry[], { length }: Cut): string[] {
  return log.slice(0, length).flatMap(entry => (entry.kind === 'said' && entry.result !== undefined ? [entry.result] : []))
}

/**
 * Makes a copy of the disk as it was before the log into the disk as the cut leaves it.
 * @returns how many 512-byte sectors are older than they would be with everything written: what this cut really lost
 */
export function replay(image: string, log: readonly Entry[], { length, keep, piece, seed }: Cut): number {
  const random = seeded(seed)
  const flushed = log.slice(0, length).findLastIndex(({ kind }) => kind === 'flush') + 1
  const file = openSync(image, 'r+')
  try {
    for (const entry of log.slice(0, flushed)) if (entry.kind === 'write') writeSync(file, entry.bytes, 0, entry.bytes.length, entry.offset)
    const blocks = new Map<number, { whole: Buffer; kept: Buffer }>()
    const block = (number: number): { whole: Buffer; kept: Buffer } => {
      const known = blocks.get(number)
      if (known !== undefined) return known
      const whole = Buffer.alloc(BLOCK)
      readSync(file, whole, 0, BLOCK, number * BLOCK)
      const both = { whole, kept: Buffer.from(whole) }
      blocks.set(number, both)
      return both
    }
    for (const entry of log.slice(flushed, length)) {
      if (entry.kind !== 'write') continue
      const end = entry.offset + entry.bytes.length
      for (let at = entry.offset; at < end; ) {
        const next = Math.min(end, (Math.floor(at / piece) + 1) * piece)
        const part = entry.bytes.subarray(at - entry.offset, next - entry.offset)
        const { whole, kept } = block(Math.floor(at / BLOCK))
        part.copy(whole, at % BLOCK)
        if (random() < keep) part.copy(kept, at % BLOCK)
        at = next
      }
    }
    let lost = 0
    for (const [number, { whole, kept }] of blocks) {
      writeSync(file, kept, 0, BLOCK, number * BLOCK)
      for (let at = 0; at < BLOCK; at += 512) if (!kept.subarray(at, at + 512).equals(whole.subarray(at, at + 512))) lost++
    }
    return lost
  } finally {
    closeSync(file)
  }
}
