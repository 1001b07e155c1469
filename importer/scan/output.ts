import { printable } from '../../appliance/core/printable.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { failed } from './sandbox.ts'
import { FINDINGS } from './limits.ts'
import { PURPOSES, type Purpose } from './purpose.ts'
import type { View } from './view.ts'

/** `PATH: WHAT FOUND` stops the import, `PATH: WHAT WARNING` is shown to the approver. Everything else that it prints is for people. */
const LINE = /^(\/scan\/(?:files|opened)\/[A-Za-z0-9._-]+): (.+) (FOUND|WARNING)\r?$/
/** Of what a scanner says about one file; it may quote names from inside of an archive, which are as long as its maker liked. */
const WHAT_LENGTH = 300
/** The end of a line that such a name has torn in two: when nothing else stops the import, it must not be lost beside warnings. */
const TORN = / FOUND\r?$/

/** What ClamAV could not look into is no virus, but it is not clean either: a person decides. */
const NOT_LOOKED_INTO: readonly { what: RegExp; code: string; text: string }[] = [
  { what: /^Heuristics\.Limits\.Exceeded/, code: 'too-big-to-scan', text: 'is beyond the limits of the scanner and was not looked through to its end' },
  { what: /^Heuristics\.Encrypted/, code: 'encrypted', text: 'holds something encrypted, which no scanner can look into' },
]

/** One thing that a scanner said; `path` is null of a line that names no file. */
export type Said = { path: string | null; what: string; word: 'FOUND' | 'WARNING' }

/**
 * What one scanner said. Exit 1 says "found", so it must come with a line that says what; without one it is no answer.
 * @throws DD-IMPORT-023
 */
export function saidIn(scanner: string, code: number, stdout: string, purpose: Purpose): Said[] {
  const all: Said[] = []
  const torn: Said[] = []
  for (const line of stdout.split('\n')) {
    const [, path = '', what = '', word] = LINE.exec(line) ?? []
    if (word === 'FOUND' || word === 'WARNING') all.push({ path, what: shown(what), word })
    else if (TORN.test(line)) torn.push({ path: null, what: shown(line.replace(TORN, '')), word: 'FOUND' })
  }
  if (code !== 0 && !all.some(said => severityOf(said) === 'blocker')) all.push(...torn)
  if (code !== 0 && all.length === 0) throw failed(scanner, `exit ${code} without a line that names a file`, 'a scanner that finds something prints `PATH: WHAT FOUND`', purpose)
  return all
}

/** The same as findings about items: one for each item that has the file. @throws DD-IMPORT-023 */
export function findingsIn(scanner: string, code: number, stdout: string, view: View): Finding[] {
  const { whole } = PURPOSES[view.purpose]
  const all = saidIn(scanner, code, stdout, view.purpose).flatMap(said => {
    const seen = view.of(said.path ?? '')
    if (seen === undefined || seen.items.length === 0) return [findingOf(scanner, whole, said.path === null ? whole : `${whole} (${seen?.blob ?? said.path})`, said)]
    return seen.items.map(({ key, label }) => findingOf(scanner, key, `${label} (${seen.blob})`, said))
  })
  return firstOf(scanner, withoutDoubles(all), whole)
}

function shown(what: string): string {
  return printable(what.slice(0, WHAT_LENGTH))
}

export function severityOf({ what, word }: Said): 'blocker' | 'warning' {
  return word === 'FOUND' && !NOT_LOOKED_INTO.some(one => one.what.test(what)) ? 'blocker' : 'warning'
}

/** In words, about `where`. */
export function told(scanner: string, where: string, said: Said): Pick<Finding, 'code' | 'text'> & { severity: 'blocker' | 'warning' } {
  const severity = severityOf(said)
  const limit = NOT_LOOKED_INTO.find(one => one.what.test(said.what))
  if (limit !== undefined) return { severity, code: limit.code, text: `${where} ${limit.text} (${scanner}: ${said.what})` }
  return severity === 'blocker' ? { severity, code: 'scanner-found', text: `${scanner} found ${said.what} in ${where}` } : { severity, code: 'scanner-warning', text: `${scanner} warns of ${said.what} in ${where}` }
}

function findingOf(scanner: string, item: string, where: string, said: Said): Finding {
  return { ...told(scanner, where, said), item, claimed: false }
}

/** One file is told once by its name and once by what was opened of it. */
export function withoutDoubles(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map(finding => [`${finding.item}\0${finding.text}`, finding])).values()]
}

/** What stops comes first, so that a flood of warnings hides nothing. */
function firstOf(scanner: string, findings: readonly Finding[], whole: string): Finding[] {
  const sorted = [...findings.filter(({ severity }) => severity === 'blocker'), ...findings.filter(({ severity }) => severity !== 'blocker')]
  const rest = sorted.slice(FINDINGS)
  if (rest.length === 0) return sorted
  const severity = rest.some(finding => finding.severity === 'blocker') ? 'blocker' : 'warning'
  return [...sorted.slice(0, FINDINGS), { severity, code: 'scanner-found-more', item: whole, text: `${scanner} said so of ${rest.length} more`, claimed: false }]
}
