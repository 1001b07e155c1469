import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

/** One line of a bench. `value` and `reference` are in `unit`; `ratio` is the median of the pairs' ratios; `held` is null where nothing was judged. */
export type Row = { bench: string; row: string; value: number | null; unit: string; reference: number | null; ratio: number | null; goal: string; held: boolean | null; note?: string }

export type BenchOptions = { folder: string; runs: number; size: number | undefined; say: (text: string) => void }
export type Bench = { name: string; about: string; run(options: BenchOptions): Promise<Row[]> }

export const MIB = 1024 ** 2
export const GIB = 1024 ** 3

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Everything written back, nothing cached: the next read comes from the disk. */
export function coldCache(): void {
  spawnSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}

/** What a run took, in seconds. What comes before and after the clock is the run's own business. */
export type TimedRun = () => Promise<number>

/** ABBA: the two in turn, each first as often as the other, `runs` times each. */
export async function inTurn(ours: TimedRun, reference: TimedRun, runs: number, say: (text: string) => void): Promise<{ value: number; reference: number; ratio: number }> {
  const pairs: { ours: number; reference: number }[] = []
  for (let k = 0; k < runs; k++) {
    const pair = { ours: 0, reference: 0 }
    const both = [async () => (pair.ours = await ours()), async () => (pair.reference = await reference())]
    for (const run of k % 2 === 0 ? both : both.toReversed()) {
      coldCache()
      await run()
    }
    pairs.push(pair)
    say(`run ${k + 1} of ${runs}: ${pair.ours.toFixed(2)} s, reference ${pair.reference.toFixed(2)} s`)
  }
  return { value: median(pairs.map(pair => pair.ours)), reference: median(pairs.map(pair => pair.reference)), ratio: median(pairs.map(pair => pair.ours / pair.reference)) }
}

/** A program of the reference; it must succeed. @returns seconds */
export function seconds(command: string, args: readonly string[], options: { cwd?: string; input?: string } = {}): number {
  const started = performance.now()
  const { status, stderr, error } = spawnSync(command, args, { ...options, stdio: ['pipe', 'ignore', 'pipe'], maxBuffer: 64 * MIB })
  if (status !== 0) throw new Error(`${command} ${args.join(' ').slice(0, 200)}: ${error?.message ?? stderr.toString().slice(-1000)}`)
  return (performance.now() - started) / 1000
}

export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

export function ratioRow(bench: string, row: string, measured: { value: number; reference: number; ratio: number }, most: number, judged = true): Row {
  return { bench, row, unit: 's', ...measured, goal: `≤ ${most} ×`, held: judged ? measured.ratio <= most : null, ...(judged ? {} : { note: 'not judged at this size' }) }
}

export function budgetRow(bench: string, row: string, value: number, unit: string, most: number, judged = true): Row {
  return { bench, row, value, unit, reference: null, ratio: null, goal: `≤ ${most} ${unit}`, held: judged ? value <= most : null, ...(judged ? {} : { note: 'not judged at this size' }) }
}

export function missingRow(bench: string, row: string, goal: string, note: string): Row {
  return { bench, row, value: null, unit: '', reference: null, ratio: null, goal, held: null, note }
}
