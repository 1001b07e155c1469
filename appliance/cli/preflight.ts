import type { Schema } from '../../ui/client/client.ts'
import { controlLines } from './control-lines.ts'
import { countsText } from './counts.ts'
import { byteText, durationText } from './output.ts'
import { scanLines } from './scan-lines.ts'

type ImportRecord = Schema<'ImportRecord'>

const LEFT = 69

/** What is on the stick, whether to trust it and what it changes, in one screen (design/console.md). */
export function preflightLines(record: ImportRecord): string[] {
  const { preflight } = record
  if (preflight === null) return [`${record.source}: ${record.state}, no preflight yet`]
  const signers = preflight.signers.map(signer => `${signer.name} (${signer.counts === false ? `no ${preflight.role} key, does not count` : preflight.role}) ${shortFingerprint(signer.fingerprint)}`).join(', ')
  const head = [
    `${preflight.stream}, sequence ${preflight.sequence} (${preflight.lastSequence === 0 ? 'the first here' : `last here: ${preflight.lastSequence}`}), made ${preflight.created.slice(0, 10)}, ${byteText(preflight.size)} in ${preflight.volumes} ${preflight.volumes === 1 ? 'volume' : 'volumes'}`,
    row('signed by', signers, `${preflight.signers.filter(({ counts }) => counts !== false).length} of ${preflight.threshold} needed`),
  ]
  // A new trust or a recall brings nothing: there is only what it changes.
  if (preflight.control !== undefined) {
    const lines = controlLines(preflight)
    return [...head, ...lines.map(([title, text], k) => row(lines[k - 1]?.[0] === title ? '' : title, text)), ...(preflight.findings.length === 0 ? [] : rows('findings', findingsText(preflight.findings), ''))]
  }
  return [
    ...head,
    row('adds', countsText(preflight.adds.map(({ kind, count }) => [kind, count] as const)), `${byteText(preflight.newBytes)} new, ${byteText(preflight.presentBytes)} already here`),
    ...rows('changes', preflight.changes.map(({ kind, name, from, to }) => `${name} ${from} → ${to} (${kind})`), 'nothing'),
    row('removes', 'nothing (removal is by garbage collection)'),
    ...(preflight.licences === undefined ? [] : rows('licences', licencesText(preflight.licences), '')),
    ...rows('findings', findingsText(preflight.findings), 'none'),
    row('affects', ['no pool until it is applied', ...preflight.affects].join('; ')),
    row('needs', `about ${durationText(preflight.seconds)}, ${partOf(preflight.newBytes, preflight.freeBytes)} free`),
    ...rows('scanned', scanLines(record), ''),
    ...(record.missing.length === 0 ? [] : rows('missing', record.missing, '')),
  ]
}

type Finding = NonNullable<ImportRecord['preflight']>['findings'][number]

/** What stops or warns first, each in its own words; then notes, those of one kind together with their number. */
function findingsText(findings: readonly Finding[]): string[] {
  const grave = (['blocker', 'warning'] as const).flatMap(severity => findings.filter(finding => finding.severity === severity).map(finding => `${severity}: ${finding.text}${claimText(finding)}`))
  const [named, summed] = [findings.filter(({ severity, item }) => severity === 'note' && item !== ''), findings.filter(({ severity, item }) => severity === 'note' && item === '')]
  const notes = Map.groupBy(named, finding => `${finding.code.replaceAll('-', ' ')}\0${claimText(finding)}`)
  return [...grave, ...[...notes].map(([key, same]) => {
    const [label = '', claim = ''] = key.split('\0')
    return `${same.length} ${label}${same.length === 1 ? '' : 's'}: ${someOf(same.map(finding => itemText(finding.item)))}${claim}`
  }), ...summed.map(({ text }) => text)]
}

/** `MIT 80 · ISC 9 · 3 others · 12 unknown to SPDX · 185 state none`; nothing for a bundle in which nothing has a licence. */
function licencesText({ stated, others, unknown, silent }: NonNullable<NonNullable<ImportRecord['preflight']>['licences']>): string[] {
  const rest = others + stated.slice(NAMED).reduce((total, { items }) => total + items, 0)
  const parts = [...stated.slice(0, NAMED).map(({ licence, items }) => `${licence} ${items}`), ...(rest > 0 ? [`${rest} under others`] : []), ...(unknown > 0 ? [`${unknown} unknown to SPDX`] : []), ...(silent > 0 ? [`${silent} state none`] : [])]
  return [parts.join(' · ') || 'none stated, none expected']
}

/** A line that can be read; all of them stand in the console and with --json. */
const NAMED = 8

function someOf(names: readonly string[]): string {
  return names.length <= NAMED ? names.join(', ') : `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more`
}

const claimText = ({ claimed }: Finding) => (claimed ? ' (claimed by the sender, checked again before approval)' : '')

/** `npm:esbuild@0.21.5#…` as people say it: `esbuild 0.21.5`. */
function itemText(key: string): string {
  const [, name, version] = /^[a-z]+:(.+)@([^@#]+)(?:#.*)?$/.exec(key) ?? []
  return name === undefined ? key : `${name} ${version}`
}

function rows(name: string, texts: readonly string[], none: string): string[] {
  if (texts.length === 0) return none === '' ? [] : [row(name, none)]
  return texts.map((text, index) => row(index === 0 ? name : '', text))
}

function row(name: string, text: string, right = ''): string {
  const left = `${name.padEnd(11)}${text}`
  return right === '' ? left : `${left.padEnd(LEFT - 4)}    ${right}`
}

/** `1.9 of 61 GiB`, or both with their unit when it differs. */
function partOf(part: number, whole: number): string {
  const [text, all] = [byteText(part), byteText(whole)]
  const unit = ` ${all.split(' ')[1]}`
  return `${text.endsWith(unit) ? text.slice(0, -unit.length) : text} of ${all}`
}

const shortFingerprint = (fingerprint: string) => `${fingerprint.slice(0, 4)}…${fingerprint.slice(-2)}`
