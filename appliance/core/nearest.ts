/** The candidate that a mistyped word most likely meant: at most two edits away and at most half of the word. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let fewest = Math.min(2, Math.floor(word.length / 2)) + 1
  for (const candidate of candidates) {
    const edits = editDistance(word, candidate)
    if (edits < fewest) {
      fewest = edits
      best = candidate
    }
  }
  return best ?? candidates.find(candidate => word.length >= 3 && candidate.startsWith(word))
}

/** Damerau–Levenshtein (optimal string alignment): insert, delete, replace, swap two neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const here = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1
      let edits = Math.min(above[column]! + 1, here[column - 1]! + 1, above[column - 1]! + same)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) edits = Math.min(edits, before[column - 2]! + 1)
      here.push(edits)
    }
    before = above
    above = here
  }
  return above[b.length]!
}
