/**
 * A stick that fails: one bundle as the only file of a mounted folder, every read of it answered as the fault says.
 *
 *     node bad-medium.ts MOUNT BUNDLE FAULT        (FAULT: JSON of Fault); says `ready` over IPC, ends when it is unmounted
 */
import { readFileSync } from 'node:fs'
import { EIO, serveFile } from './fuse-file.ts'

/** `at` is a share of the file, from 0 to 1. */
export type Fault =
  | { kind: 'none' }
  /** Sectors from there on cannot be read. */
  | { kind: 'unreadable'; at: number }
  /** Each block answers rightly once, and with other bytes whenever it is asked again. */
  | { kind: 'second-time' }
  /** The file is overwritten while it is read: when reading comes to `at`, everything behind that position changes, or everything before it. */
  | { kind: 'changed-behind' | 'changed-ahead'; at: number }
  /** When reading comes to `at`, the file ends there, or there is more and more of it. */
  | { kind: 'truncated' | 'grows'; at: number }
  /** Pulled: from then on nothing can be read. */
  | { kind: 'pulled'; reads: number }
  /** From then on it says nothing, and does not fail either. */
  | { kind: 'hangs'; reads: number }
  /** One bit is other in one of so many reads. */
  | { kind: 'flips'; every: number }

const BLOCK = 4096
const [mount = '', bundle = '', fault = ''] = process.argv.slice(2)
const bytes = readFileSync(bundle)
const spec = JSON.parse(fault) as Fault
const seen = new Set<number>()
let reads = 0
let furthest = 0

const point = 'at' in spec ? Math.floor(spec.at * bytes.length) : 0
const reached = (): boolean => furthest > point

function answered(offset: number, length: number): Buffer | number | undefined {
  reads++
  const part = Buffer.from(bytes.subarray(offset, offset + length))
  const isAgain = Array.from({ length: Math.ceil(part.length / BLOCK) }, (_, k) => Math.floor(offset / BLOCK) + k).filter(block => seen.has(block) || !seen.add(block)).length > 0
  furthest = Math.max(furthest, offset + part.length)
  const turn = (isTurned: (at: number) => boolean): Buffer => {
    for (let k = 0; k < part.length; k++) if (isTurned(offset + k)) part[k] = part[k]! ^ 1
    return part
  }
  if (spec.kind === 'unreadable') return offset + part.length > point ? EIO : part
  if (spec.kind === 'second-time') return isAgain ? turn(at => at % 97 === 0) : part
  if (spec.kind === 'changed-behind') return reached() ? turn(at => at < point) : part
  if (spec.kind === 'changed-ahead') return reached() ? turn(at => at >= point) : part
  if (spec.kind === 'truncated') return reached() ? part.subarray(0, Math.max(0, point - offset)) : part
  if (spec.kind === 'grows') return reached() && part.length < length ? Buffer.concat([part, Buffer.alloc(length - part.length, 'more')]) : part
  if (spec.kind === 'pulled') return reads > spec.reads ? EIO : part
  if (spec.kind === 'hangs') return reads > spec.reads ? undefined : part
  if (spec.kind === 'flips') return reads % spec.every === 0 ? turn(at => at === offset + (reads % Math.max(1, part.length))) : part
  return part
}

setTimeout(() => process.send?.('ready'), 50)
await serveFile(mount, {
  name: 'bundle.drydock',
  size: () => bytes.length + (spec.kind === 'grows' && reached() ? reads * BLOCK : 0),
  read: answered,
  uncached: true,
})
process.disconnect?.()
