import type { Item } from '../format/item.ts'

/** The items of the bundle that one of them needs directly. `lacks`: it needs more than is named (in a delta the receiver has it). */
export type Needs = { met: readonly Item[]; lacks: boolean }

/** Versions that are named for one need. An index with as many needs as versions of one name would otherwise be told in the square of its size. */
const MEETING = 64

/** What meets a need, worked out once for all who declare the same; `whole` is false when more meet it than are named. */
export function remembered<Words extends readonly unknown[]>(meeting: (...words: Words) => Item[]): (...words: Words) => { items: Item[]; whole: boolean } {
  const known = new Map<string, { items: Item[]; whole: boolean }>()
  return (...words) => {
    const key = JSON.stringify(words)
    const before = known.get(key)
    if (before !== undefined) return before
    const items = meeting(...words)
    const found = { items: items.slice(-MEETING), whole: items.length <= MEETING }
    known.set(key, found)
    return found
  }
}
