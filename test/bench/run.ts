/**
 * `npm run bench`: the list. `npm run bench -- NAME… [--runs N] [--size SIZE] [--folder DIR] [--json]`: those, as a table or one JSON line a row.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bytesOf } from './content.ts'
import { deltaBench } from './delta.ts'
import { importBench, smallItemsBench } from './import.ts'
import type { Bench, Row } from './method.ts'
import { ociBench, servedBench } from './served.ts'

const BENCHES: readonly Bench[] = [importBench, smallItemsBench, servedBench, ociBench, deltaBench]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' }, size: { type: 'string' }, folder: { type: 'string', default: tmpdir() }, json: { type: 'boolean', default: false } },
})
const unknown = positionals.filter(name => BENCHES.every(bench => bench.name !== name))
if (positionals.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) process.stderr.write(`expected names of benches, found ${unknown.join(', ')}\n`)
  for (const { name, about } of BENCHES) process.stdout.write(`${name.padEnd(14)} ${about}\n`)
  process.exit(unknown.length > 0 ? 2 : 0)
}
if (process.getuid?.() !== 0) {
  process.stderr.write('expected to run as root, which may drop the page cache, found another user\ndo: sudo npm run bench -- …\n')
  process.exit(1)
}

mkdirSync(values.folder, { recursive: true })
for (const bench of BENCHES.filter(({ name }) => positionals.includes(name))) {
  const folder = mkdtempSync(join(values.folder, `drydock-bench-${bench.name}-`))
  const stop = (): never => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(130)
  }
  process.on('SIGINT', stop)
  try {
    const rows = await bench.run({ folder, runs: Number(values.runs), size: values.size === undefined ? undefined : bytesOf(values.size), say: text => process.stderr.write(`${bench.name}: ${text}\n`) })
    for (const row of rows) process.stdout.write(values.json ? `${JSON.stringify(row)}\n` : table(row))
  } finally {
    process.off('SIGINT', stop)
    rmSync(folder, { recursive: true, force: true })
  }
}

function table({ bench, row, value, unit, reference, ratio, goal, held, note }: Row): string {
  const number = (what: number | null): string => (what === null ? '–' : what >= 100 ? what.toFixed(0) : what.toFixed(2))
  const verdict = held === null ? (note ?? 'measured') : held ? 'held' : 'MISSED'
  return `${bench.padEnd(12)} ${row.padEnd(44)} ${`${number(value)} ${unit}`.padStart(12)} ${reference === null ? ''.padStart(12) : `${number(reference)} ${unit}`.padStart(12)} ${(ratio === null ? '' : `${ratio.toFixed(2)} ×`).padStart(8)}  ${goal.padEnd(12)} ${verdict}\n`
}
