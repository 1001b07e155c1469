/**
 * A disk that logs every write and every flush, in order, as device-mapper's log-writes does, which this kernel does not have. It serves an
 * image as one file, for a loop device; when it is unmounted it makes out of the log what any power cut would have left (write-log.ts).
 *
 *     node disk-server.ts MOUNT IMAGE [lies]      and over IPC one `Answer` to each `Question`
 *
 * With `lies` it confirms flushes and forgets them: no import survives that, so a test can see that its checks would tell.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { serveFile } from './fuse-file.ts'
import { chooseCuts, replay, resultsBefore, stretchesOf, type Cut, type Entry, type Said } from './write-log.ts'

export type Question = { said: Said } | { choose: number; seed: number } | { cut: Cut; path: string }
export type Answer = 'ready' | { noted: true } | Chosen | Left
export type Chosen = { cuts: Cut[]; writes: number; flushes: number; stretches: number }
/** How many sectors the cut lost, and what the journal had taken for done. */
export type Left = { lost: number; results: string[] }

const [mount = '', image = '', lies] = process.argv.slice(2)
const current = readFileSync(image)
const log: Entry[] = []

function answer(question: Question): Answer {
  if ('said' in question) {
    log.push({ kind: 'said', ...question.said })
    return { noted: true }
  }
  if ('choose' in question) {
    const count = (kind: Entry['kind']): number => log.filter(entry => entry.kind === kind).length
    return { cuts: chooseCuts(log, question.choose, question.seed), writes: count('write'), flushes: count('flush'), stretches: stretchesOf(log).length }
  }
  execFileSync('cp', ['--sparse=always', image, question.path])
  return { lost: replay(question.path, log, question.cut), results: resultsBefore(log, question.cut) }
}

process.on('message', (question: Question) => process.send?.(answer(question)))
process.on('disconnect', () => process.exit(0))
setTimeout(() => process.send?.('ready' satisfies Answer), 50)
await serveFile(mount, {
  name: 'disk',
  size: () => current.length,
  read: (offset, length) => current.subarray(offset, offset + length),
  write(offset, bytes) {
    bytes.copy(current, offset)
    log.push({ kind: 'write', offset, bytes })
  },
  sync() {
    if (lies === undefined) log.push({ kind: 'flush' })
  },
})
