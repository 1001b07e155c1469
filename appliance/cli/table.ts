import type { Command } from 'commander'
import { DrydockError } from '../core/error.ts'
import { nearest } from '../core/nearest.ts'
import { alignedLines } from './columns.ts'
import { outputOf } from './output.ts'

/** A column: its text for people. Right-aligned when every value in it is a number. */
export type Columns<Row> = Record<string, (row: Row) => string | number>

/** Every list has them. */
export function listOptions(command: Command): Command {
  return command
    .option('--sort <column>', 'sort by this column; -column for the other way round')
    .option('--filter <text>', 'only rows with this text in any column, or column=text for one of them')
    .option('--columns <names>', 'only these columns, with commas between')
}

/** Prints rows as a table, or as records with --json (whole ones, filtered and sorted the same). */
export function printList<Row extends object>(command: Command, rows: readonly Row[], columns: Columns<Row>, empty: string): void {
  const output = outputOf(command)
  const options = command.opts<{ sort?: string; filter?: string; columns?: string }>()
  const names = Object.keys(columns)
  const wanted = options.columns === undefined ? names : options.columns.split(',').map(name => known(name.trim(), names))
  const cell = (row: Row, name: string) => String(columns[name]?.(row) ?? '')
  let shown = [...rows]
  if (options.filter !== undefined) {
    const [, name, text] = /^([a-z-]+)=(.*)$/s.exec(options.filter) ?? []
    const searched = name === undefined ? names : [known(name, names)]
    const needle = (text ?? options.filter).toLowerCase()
    shown = shown.filter(row => searched.some(column => cell(row, column).toLowerCase().includes(needle)))
  }
  if (options.sort !== undefined) {
    const down = options.sort.startsWith('-')
    const name = known(options.sort.replace(/^-/, ''), names)
    shown.sort((a, b) => cell(a, name).localeCompare(cell(b, name), 'en', { numeric: true }) * (down ? -1 : 1))
  }
  for (const row of shown) output.record(row)
  if (output.json) return
  if (shown.length === 0) return output.line(empty, 'dim')
  const lines = shown.map(row => wanted.map(name => cell(row, name)))
  const rightwards = wanted.map((_, index) => lines.every(line => /^[\d.,]*$/.test(line[index] ?? '')))
  const [head = '', ...rest] = alignedLines([wanted.map(name => name.toUpperCase()), ...lines], { right: column => rightwards[column] === true })
  output.line(head, 'dim')
  for (const line of rest) output.line(line)
}

function known(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name
  const close = nearest(name, names)
  throw new DrydockError('DD-CLI-002', `expected a column of this list (${names.join(', ')}), found ${JSON.stringify(name)}`, close === undefined ? 'name one of them' : `did you mean ${close}?`)
}

/** `sha256:af2c5d…`: enough to recognise, the whole one is in --json. */
export function short(digest: string | null | undefined): string {
  return digest === null || digest === undefined ? '–' : digest.replace(/^(sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1…')
}

/** `2026-11-18 10:00:00` UTC. */
export function at(iso: string | null): string {
  return iso === null ? '–' : iso.slice(0, 19).replace('T', ' ')
}
