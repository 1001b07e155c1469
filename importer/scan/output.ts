import { digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { printable } from '../../appliance/core/printable.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { failed } from './sandbox.ts'
import { FINDINGS } from './limits.ts'
import { PURPOSES } from './purpose.ts'
import type { Seen, View } from './view.ts'

/** `PATH: WHAT FOUND` stops the import, `PATH: WHAT WARNING` is shown to the approver. Everything else that it prints is for people. */
const LINE = /^(\/scan\/(?:files|opened)\/[A-Za-z0-9._-]+): (.+) (FOUND|WARNING)\r?$/
/** Of what a scanner says about one file; it may quote names from inside of an archive, which are as long as its maker liked. */
const WHAT_LENGTH = 300
/** The end of a line that such a name has torn in two: when nothing else stops the import, it must not be lost beside warnings. */
const TORN = / FOUND\r?$/
/** Its beginning: a line about one file that is neither a finding, nor a warning, nor `PATH: OK`. */
const BEGUN = /^(\/scan\/(?:files|opened)\/[A-Za-z0-9._-]+): (?!OK\r?$)(.+)$/

/** Whose own words those below are: of any other scanner they are names like all others, which an attacker may have put into its mouth. */
export const CLAMAV = 'clamav'

/** Names of `nested.ndb`. */
const NESTED = /^Drydock\.Nested\.(Deb|Zstd)\.UNOFFICIAL$/

/** What ClamAV could not look into is no virus, but it is not clean either: a person decides. */
const NOT_LOOKED_INTO: readonly { what: RegExp; code: string; text: string }[] = [
  { what: /^Heuristics\.Limits\.Exceeded/, code: 'too-big-to-scan', text: 'is beyond the limits of the scanner and was not looked through to its end' },
  { what: /^Heuristics\.Encrypted/, code: 'encrypted', text: 'holds something encrypted, which no scanner can look into' },
  { what: NESTED, code: 'not-opened-inside', text: 'holds inside of another archive a Debian package or something compressed with zstd, which was not opened' },
]

/** What people say of a finding that they call a false alarm, in words; undefined of any other. */
export type Dismissed = (alarm: { scanner: string; what: string; digest: Digest }) => string | undefined

/** One thing that a scanner said; `path` is null of a line that names no file. */
export type Said = { path: string | null; what: string; word: 'FOUND' | 'WARNING' }

/**
 * What one scanner said. Exit 1 says "found", so it must come with a line that says what; without one it is no answer.
 * @throws DD-IMPORT-023
 */
export function saidIn(scanner: string, code: number, stdout: string, { purpose, of, closed }: Pick<View, 'purpose' | 'of' | 'closed'>, dismissed: Dismissed): Said[] {
  const all = new Map<string, Said>()
  const torn: Said[] = []
  let opened = 0
  for (const line of linesOf(stdout)) {
    const [, path = '', what = '', word] = LINE.exec(line) ?? []
    const begun = scanner === CLAMAV || code === 0 || word !== undefined ? null : BEGUN.exec(line)
    // The file itself, which was opened beside it.
    if (scanner === CLAMAV && closed.has(path) && NESTED.test(what)) opened++
    // Each match inside of an archive is told again for what it lies in.
    else if (word === 'FOUND' || word === 'WARNING') all.set(`${path} ${word} ${shown(what)}`, { path, what: shown(what), word })
    else if (begun !== null && of(begun[1] ?? '') !== undefined) all.set(line, { path: begun[1] ?? '', what: shown(begun[2] ?? ''), word: 'FOUND' })
    else if (TORN.test(line)) torn.push({ path: null, what: shown(line.replace(TORN, '')), word: 'FOUND' })
  }
  const said = [...all.values()]
  if (code !== 0 && !said.some(one => severityOf(scanner, one) === 'blocker' && dismissalOf(scanner, one, of(one.path ?? ''), dismissed) === undefined)) said.push(...torn)
  if (code !== 0 && said.length + opened === 0) throw failed(scanner, `exit ${code} without a line that names a file`, 'a scanner that finds something prints `PATH: WHAT FOUND`', purpose)
  return said
}

/** One at a time: a scanner may say millions of them of what is made for that. */
export function* linesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from)
    yield text.slice(from, end < 0 ? text.length : end)
    from = end < 0 ? text.length : end + 1
  }
}

/** What people at this site have said of it: the same signature, by the same scanner, in the same bytes. */
export function dismissalOf(scanner: string, said: Said, seen: Seen | undefined, dismissed: Dismissed): string | undefined {
  return seen === undefined || severityOf(scanner, said) !== 'blocker' ? undefined : dismissed({ scanner, what: said.what, digest: seen.digest })
}

/** The same as findings about items: one for each item that has the file. @throws DD-IMPORT-023 */
export function findingsIn(scanner: string, code: number, stdout: string, view: View, dismissed: Dismissed): Finding[] {
  const { whole } = PURPOSES[view.purpose]
  const all = saidIn(scanner, code, stdout, view, dismissed).flatMap(said => {
    const seen = view.of(said.path ?? '')
    if (seen === undefined || seen.items.length === 0) return [findingOf(scanner, whole, said.path === null ? whole : `${whole} (${seen?.blob ?? said.path})`, said)]
    const dismissal = dismissalOf(scanner, said, seen, dismissed)
    return seen.items.map(({ key, label }): Finding => {
      const finding = findingOf(scanner, key, `${label} (${seen.blob})`, said)
      return dismissal === undefined ? finding : { ...finding, severity: 'warning', code: 'dismissed', text: `${finding.text}, ${dismissal}` }
    })
  })
  return firstOf(scanner, withoutDoubles(all), whole)
}

/** What is cut keeps a mark of the whole, so that no other one is taken for it. */
function shown(what: string): string {
  return what.length <= WHAT_LENGTH ? printable(what) : `${printable(what.slice(0, WHAT_LENGTH))}… ${hexOf(digestOf(what)).slice(0, 12)}`
}

export function severityOf(scanner: string, said: Said): 'blocker' | 'warning' {
  return said.word === 'FOUND' && limitOf(scanner, said) === undefined ? 'blocker' : 'warning'
}

function limitOf(scanner: string, { what }: Said): { code: string; text: string } | undefined {
  return scanner === CLAMAV ? NOT_LOOKED_INTO.find(one => one.what.test(what)) : undefined
}

/** In words, about `where`. */
export function told(scanner: string, where: string, said: Said): Pick<Finding, 'code' | 'text'> & { severity: 'blocker' | 'warning' } {
  const severity = severityOf(scanner, said)
  const limit = limitOf(scanner, said)
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
