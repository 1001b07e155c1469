import { REPEAT_BYTES, REPEAT_LINES } from './limits.ts'

/**
 * Lines that were said a moment ago, taken away as they come: ClamAV says of an archive the same for each of its members, and one that was made for that has half
 * a million. Memory is bounded: of lines before the last `REPEAT_LINES` different ones, and of lines that are longer than `REPEAT_BYTES`, nothing is known.
 */
export function withoutRepeats(): { take(chunk: Buffer): Buffer; rest(): Buffer } {
  const recent = new Set<string>()
  let begun: Buffer = Buffer.alloc(0)
  let isLong = false

  function isNew(line: Buffer): boolean {
    if (line.length > REPEAT_BYTES) return true
    const text = line.toString('latin1')
    const known = recent.delete(text)
    recent.add(text)
    const [oldest] = recent
    if (recent.size > REPEAT_LINES && oldest !== undefined) recent.delete(oldest)
    return !known
  }

  return {
    take(chunk) {
      const bytes = begun.length === 0 ? chunk : Buffer.concat([begun, chunk])
      const kept: Buffer[] = []
      let from = 0
      for (let end = bytes.indexOf(LINE_END); end >= 0; end = bytes.indexOf(LINE_END, from)) {
        const line = bytes.subarray(from, end + 1)
        if (isLong || isNew(line)) kept.push(line)
        isLong = false
        from = end + 1
      }
      begun = bytes.subarray(from)
      // What stands before its end is with the reader already.
      if (isLong || begun.length > REPEAT_BYTES) {
        kept.push(begun)
        isLong = begun.length > 0 || isLong
        begun = Buffer.alloc(0)
      }
      return Buffer.concat(kept)
    },
    rest: () => begun,
  }
}

const LINE_END = 0x0a
