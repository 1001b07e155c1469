import { encode } from 'uqr'
import { join } from 'node:path'
import { byteText } from '../../appliance/core/byte-text.ts'
import { hexOf, type Digest } from '../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../appliance/core/durable-file.ts'
import { printable } from '../../appliance/core/printable.ts'
import type { Manifest } from '../format/manifest.ts'
import { MANIFEST_NAME, volumeName } from '../format/manifest-file.ts'

/** What a label says of one volume. `signers` without a name are those whose signature nobody judged. */
export type LabelFacts = { manifest: Manifest; manifestDigest: Digest; number: number; digest: Digest; size: number; signers: readonly { name?: string; fingerprint: string }[] }

/** Signers beyond these are counted. */
const SIGNERS = 5
/** Millimetres. */
const WIDTH = 148
const LEAST_HEIGHT = 56
const QR_SIDE = 46
const LINE = 3.6
const WORD_CHARACTERS = 11
/** What fits between the words and the code. */
const VALUE_CHARACTERS = 44

/** The lines of `sha256sum` over volume and manifest: what a phone reads from the code can be compared by eye, or given to `sha256sum -c`. */
export function codeText({ manifest, manifestDigest, number, digest }: LabelFacts): string {
  return `${hexOf(digest)}  ${volumeName(manifest, number)}\n${hexOf(manifestDigest)}  ${MANIFEST_NAME}\n`
}

/** The label as lines of words and values; a digest takes two lines, in groups that can be read aloud. */
function rows(facts: LabelFacts): [string, string][] {
  const { manifest, number, size, signers } = facts
  const count = manifest.volumes.length
  const [first, ...more] = signers.slice(0, SIGNERS).map(({ name, fingerprint }) => `${name === undefined ? '(not judged)' : printable(name)} ${shortOf(fingerprint)}`)
  return [
    ['bundle', manifest.name],
    ['site', manifest.site === '*' ? 'every site' : manifest.site],
    ['stream', `${manifest.stream}, ${manifest.epoch === 0 ? '' : `epoch ${manifest.epoch}, `}sequence ${manifest.sequence}`],
    ['volume', number <= count ? `${number} of ${count}${manifest.parity === undefined ? '' : `, and ${manifest.parity.length} parity`}` : `parity ${number - count} of ${manifest.parity?.length}, for ${count} ${count === 1 ? 'volume' : 'volumes'}`],
    ['file', volumeName(manifest, number)],
    ['created', manifest.created],
    ['size', `${size} bytes (${byteText(size)})`],
    ['signed by', first ?? 'nobody yet'],
    ...more.map((text): [string, string] => ['', text]),
    ...(signers.length > SIGNERS ? [['', `and ${signers.length - SIGNERS} more`] as [string, string]] : []),
    ['volume', grouped(facts.digest, 0)], ['  sha256', grouped(facts.digest, 32)],
    ['manifest', grouped(facts.manifestDigest, 0)], ['  sha256', grouped(facts.manifestDigest, 32)],
  ]
}

function shortOf(fingerprint: string): string {
  return fingerprint.slice(-16).replace(/(.{4})(?=.)/g, '$1 ')
}

function grouped(digest: Digest, from: number): string {
  return hexOf(digest).slice(from, from + 32).replace(/(.{8})(?=.)/g, '$1 ')
}

export function labelText(facts: LabelFacts): string {
  return `${rows(facts).map(([word, value]) => `${word.padEnd(WORD_CHARACTERS)}${value}`).join('\n')}\n\n${codeText(facts)}`
}

/** For a printer: as wide as A6 across, text on the left and the QR code on the right, nothing but black and white, no font but the printer's own. */
export function labelSvg(facts: LabelFacts): string {
  const { data, size } = encode(codeText(facts), { ecc: 'M', border: 4 })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  const wrapped = rows(facts).flatMap(([word, value]) => (value.match(new RegExp(`.{1,${VALUE_CHARACTERS}}`, 'gu')) ?? ['']).map((part, k) => [k === 0 ? word : '', part] as const))
  const lines = wrapped.flatMap(([word, value], k) => [textAt(4, 8 + k * LINE, word), textAt(24, 8 + k * LINE, value)])
  const height = Math.max(LEAST_HEIGHT, Math.ceil(8 + wrapped.length * LINE))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}mm" height="${height}mm" viewBox="0 0 ${WIDTH} ${height}">`,
    `<title>${escaped(volumeName(facts.manifest, facts.number))}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<g font-family="monospace" font-size="2.7" fill="#000" xml:space="preserve">`,
    ...lines,
    '</g>',
    `<path transform="translate(${WIDTH - QR_SIDE - 2} 4) scale(${QR_SIDE / size})" fill="#000" shape-rendering="crispEdges" d="${dark}"/>`,
    '</svg>',
    '',
  ].join('\n')
}

function textAt(x: number, y: number, text: string): string {
  return text === '' ? '' : `<text x="${x}" y="${y.toFixed(1)}">${escaped(text)}</text>`
}

/** Names come from keys that anybody may have made; U+FFFE and U+FFFF no XML may hold. */
function escaped(text: string): string {
  return printable(text).replace(/[\uFFFE\uFFFF]/g, '?').replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/** `NAME-SEQUENCE.vK-of-N.label.svg` and `.label.txt`. @returns their paths */
export async function writeLabel(facts: LabelFacts, folder: string): Promise<string[]> {
  await ensureFolder(folder)
  const base = join(folder, volumeName(facts.manifest, facts.number).replace(/\.drydock$/, '.label'))
  const files: [string, string][] = [[`${base}.svg`, labelSvg(facts)], [`${base}.txt`, labelText(facts)]]
  for (const [path, text] of files) await writeDurably(path, text, { mode: 0o644 })
  return files.map(([path]) => path)
}
