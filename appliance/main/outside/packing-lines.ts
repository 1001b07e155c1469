import { alignedLines } from '../../cli/columns.ts'
import { byteText, type Tone } from '../../cli/output.ts'
import type { Digest } from '../../core/digest.ts'
import type { PackedItem, PackingList } from '../../../bundles/build/index.ts'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import { licenceText, type LicenceCount, type licenceSummary } from '../../../bundles/format/licence.ts'
import type { Manifest } from '../../../bundles/format/manifest.ts'
import type { VerifiedManifest } from '../../../bundles/format/verified.ts'

export type Packed = {
  manifest: Manifest
  manifestDigest: Digest
  /** In their order; `size` is the file's, null where it is not here. */
  volumes: { number: number; name: string; size: number | null; payload: number | null; entries: number | null; here: boolean }[]
  /** Who says to have signed. */
  issuers: readonly string[]
  /** Who did sign, when that was judged. */
  verified: VerifiedManifest | undefined
  list: PackingList
  licences: ReturnType<typeof licenceSummary>
}

export type ToldLine = { text: string; tone?: Tone }

/** So many items of a kind, licences and large items are shown; `--all` shows every item. */
const ITEMS_OF_KIND = 12
const LICENCES = 8
const BIGGEST = 10

/** A bundle as a packing list: what a release engineer compares with the order before the stick leaves the house. Pure. */
export function packingLines(packed: Packed, options: { all: boolean; width: number | undefined }): ToldLine[] {
  const table = (rows: string[][], right: readonly number[], gives: number): string[] => alignedLines(rows, { right: column => right.includes(column), ...(options.width === undefined ? {} : { width: { most: options.width, gives } }) })
  return [
    ...headLines(packed),
    ...section(volumeRows(packed), rows => table(rows, [1, 2, 3], 0)),
    ...section(kindRows(packed), rows => table(rows, [1, 2, 3], 0)),
    { text: '' },
    ...licenceLines(packed.licences),
    ...section(biggestRows(packed.list.items), rows => table(rows, [0], 1)),
    ...itemLines(packed.list.items, options.all, table),
  ]
}

function headLines({ manifest, manifestDigest, issuers, verified, list }: Packed): ToldLine[] {
  const signers = verified === undefined ? (issuers.length === 0 ? 'nobody yet' : `${issuers.join(', ')}`) : verified.signers.map(({ name, fingerprint, counts }) => `${name} ${fingerprint}${counts === false ? ` (no ${verified.role} key, does not count)` : ''}`).join(', ')
  const judged = verified === undefined ? (issuers.length === 0 ? '' : '   not judged here: give --trust for that') : `   ${verified.signers.filter(({ counts }) => counts !== false).length} of ${verified.threshold} needed for ${verified.role}, held`
  return [
    { text: `${manifest.name}, sequence ${manifest.sequence} of stream ${manifest.stream}${manifest.epoch === 0 ? '' : `, epoch ${manifest.epoch}`}, for ${manifest.site === '*' ? 'every site' : `site ${manifest.site}`}`, tone: 'strong' },
    { text: `made       ${time(manifest.created)}${manifest.expires === undefined ? '' : `, advised to be used before ${time(manifest.expires)}`}` },
    ...(manifest.base === undefined ? [] : [{ text: `stands on  ${manifest.base}: ${list.ways.held} ${list.ways.held === 1 ? 'blob is' : 'blobs are'} with the receiver already${manifest.omits === undefined ? '' : `, ${manifest.omits} ${manifest.omits === 1 ? 'item stays' : 'items stay'} there as ${manifest.omits === 1 ? 'it is' : 'they are'}`}` }]),
    { text: `travels    ${byteText(manifest.totals.bytes)}: ${waysText(list.ways)}` },
    { text: `signed by  ${signers}${judged}` },
    { text: `manifest   ${manifestDigest}`, tone: 'dim' },
  ]
}

function waysText({ whole, pieces, chunks }: PackingList['ways']): string {
  const parts = [whole === 0 ? '' : count(whole, 'whole blob'), pieces === 0 ? '' : `${count(pieces, 'blob')} in pieces`, chunks === 0 ? '' : `${count(chunks, 'blob')} in chunks`].filter(text => text !== '')
  return parts.length === 0 ? 'no blobs' : parts.join(', ')
}

function volumeRows({ volumes }: Packed): string[][] {
  return [
    ['VOLUME', 'SIZE', 'PAYLOAD', 'ENTRIES'],
    ...volumes.map(({ name, size, payload, entries, here }) => [name, here ? byteText(size ?? 0) : 'not here', payload === null ? 'parity' : byteText(payload), entries === null ? '' : String(entries)]),
  ]
}

function kindRows({ list }: Packed): string[][] {
  const total = list.kinds.reduce((sum, kind) => ({ items: sum.items + kind.items, bytes: sum.bytes + kind.bytes, travels: sum.travels + kind.travels }), { items: 0, bytes: 0, travels: 0 })
  return [
    ['KIND', 'ITEMS', 'BYTES', 'TRAVELS'],
    ...list.kinds.map(({ kind, items, bytes, travels }) => [kind, String(items), byteText(bytes), byteText(travels)]),
    ...(list.kinds.length > 1 ? [['all', String(total.items), byteText(total.bytes), byteText(total.travels)]] : []),
  ]
}

function licenceLines({ known, unknown, silent }: Packed['licences']): ToldLine[] {
  return [
    { text: `licences   ${countsText(known) || 'none stated'}` },
    ...(unknown.length === 0 ? [] : [{ text: `no SPDX    ${countsText(unknown)}` }]),
    ...(silent === 0 ? [] : [{ text: `silent     ${count(silent, 'item')} that state no licence` }]),
  ]
}

function countsText(counts: readonly LicenceCount[]): string {
  const shown = counts.slice(0, LICENCES).map(({ licence, items }) => `${brief(licence)} ${items}`)
  return [...shown, ...(counts.length > LICENCES ? [`${counts.length - LICENCES} others`] : [])].join(' · ')
}

function biggestRows(items: readonly PackedItem[]): string[][] {
  if (items.length <= BIGGEST) return []
  const biggest = items.toSorted((a, b) => b.bytes - a.bytes || (a.key < b.key ? -1 : 1)).slice(0, BIGGEST)
  return [['BIGGEST', ''], ...biggest.map(({ item, bytes }) => [byteText(bytes), `${item.kind} ${item.name} ${item.version}`])]
}

/** For people: `1.9` before `1.10`. */
const collator = new Intl.Collator('en', { numeric: true })

function itemLines(items: readonly PackedItem[], all: boolean, table: (rows: string[][], right: readonly number[], gives: number) => string[]): ToldLine[] {
  return ITEM_KINDS.flatMap(kind => {
    const mine = items.filter(({ item }) => item.kind === kind).toSorted((a, b) => collator.compare(a.item.name, b.item.name) || collator.compare(a.item.version, b.item.version))
    const shown = all ? mine : mine.slice(0, ITEMS_OF_KIND)
    const rows = shown.map(({ item, bytes, travels }) => [item.name, item.variant === undefined ? item.version : `${item.version} ${item.variant}`, byteText(bytes), travels === 0 && bytes > 0 ? 'held' : '', brief(licenceText(item))])
    const more = mine.length - shown.length
    return mine.length === 0 ? [] : [
      ...section(withoutEmpty([[kind.toUpperCase(), 'VERSION', 'BYTES', 'TRAVELS', 'LICENCE'], ...rows]), lines => table(lines, [2], 0)),
      ...(more === 0 ? [] : [{ text: `and ${more} more (--all)`, tone: 'dim' as const }]),
    ]
  })
}

/** A column in which nothing stands but its head is no column. */
function withoutEmpty(rows: string[][]): string[][] {
  const used = rows[0]!.map((_head, column) => rows.slice(1).some(row => row[column] !== ''))
  return rows.map(row => row.filter((_cell, column) => used[column]))
}

/** Some upstreams put their whole licence into the field for its name. */
const LICENCE_CHARACTERS = 40

function brief(text: string): string {
  const characters = Array.from(text)
  return characters.length <= LICENCE_CHARACTERS ? text : `${characters.slice(0, LICENCE_CHARACTERS - 1).join('')}…`
}

/** An empty line, the head in another tone, the rows; nothing where there is only a head. */
function section(rows: string[][], table: (rows: string[][]) => string[]): ToldLine[] {
  if (rows.length < 2) return []
  const [head = '', ...rest] = table(rows)
  return [{ text: '' }, { text: head, tone: 'dim' }, ...rest.map(text => ({ text }))]
}

function time(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}
