import { printable } from '../../appliance/core/printable.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { failed } from './sandbox.ts'
import { FINDINGS } from './limits.ts'
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

/** What a finding is about when no item is known. */
export const THE_BUNDLE = 'the bundle'

/**
 * Findings of one scanner. Exit 1 says "found", so it must come with a line that says what; without one it is no answer.
 * @throws DD-IMPORT-023
 */
export function findingsIn(scanner: string, code: number, stdout: string, view: View): Finding[] {
  const all: Finding[] = []
  const torn: Finding[] = []
  for (const line of stdout.split('\n')) {
    const [, path = '', what = '', word] = LINE.exec(line) ?? []
    if (word === undefined && TORN.test(line)) torn.push(findingOf(scanner, THE_BUNDLE, THE_BUNDLE, shown(line.replace(TORN, '')), 'FOUND'))
    if (word === undefined) continue
    const seen = view.of(path)
    for (const { key, label } of seen === undefined || seen.items.length === 0 ? [{ key: THE_BUNDLE, label: THE_BUNDLE }] : seen.items) all.push(findingOf(scanner, key, `${label} (${seen?.blob ?? path})`, shown(what), word))
  }
  if (code !== 0 && !all.some(({ severity }) => severity === 'blocker')) all.push(...torn)
  if (code !== 0 && all.length === 0) throw failed(scanner, `exit ${code} without a line that names a file`, 'a scanner that finds something prints `PATH: WHAT FOUND`')
  return firstOf(scanner, withoutDoubles(all))
}

function shown(what: string): string {
  return printable(what.slice(0, WHAT_LENGTH))
}

function findingOf(scanner: string, item: string, where: string, what: string, word: string): Finding {
  const limit = NOT_LOOKED_INTO.find(one => one.what.test(what))
  if (limit !== undefined) return { severity: 'warning', code: limit.code, item, text: `${where} ${limit.text} (${scanner}: ${what})`, claimed: false }
  return word === 'FOUND'
    ? { severity: 'blocker', code: 'scanner-found', item, text: `${scanner} found ${what} in ${where}`, claimed: false }
    : { severity: 'warning', code: 'scanner-warning', item, text: `${scanner} warns of ${what} in ${where}`, claimed: false }
}

/** One file is told once by its name and once by what was opened of it. */
export function withoutDoubles(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map(finding => [`${finding.item}\0${finding.text}`, finding])).values()]
}

/** What stops comes first, so that a flood of warnings hides nothing. */
function firstOf(scanner: string, findings: readonly Finding[]): Finding[] {
  const sorted = [...findings.filter(({ severity }) => severity === 'blocker'), ...findings.filter(({ severity }) => severity !== 'blocker')]
  const rest = sorted.slice(FINDINGS)
  if (rest.length === 0) return sorted
  const severity = rest.some(finding => finding.severity === 'blocker') ? 'blocker' : 'warning'
  return [...sorted.slice(0, FINDINGS), { severity, code: 'scanner-found-more', item: THE_BUNDLE, text: `${scanner} said so of ${rest.length} more`, claimed: false }]
}
