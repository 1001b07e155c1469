import parse from 'spdx-expression-parse'
import type { Item } from './item.ts'

/** A tree over licences: what one may do needs all of `and`, and any one of `or`. */
type Expression = ReturnType<typeof parse>

/** Kinds that come under somebody's licence. Of the others nobody expects one: they are the site's own files and documents. */
const LICENSED_KINDS: ReadonlySet<string> = new Set(['npm', 'pypi', 'deb', 'oci', 'go', 'crate', 'maven', 'nuget'] satisfies Item['kind'][])

/**
 * The tree of an SPDX licence expression, or undefined for any other text (`BSD`, `SEE LICENSE IN FILE`). Ids count in
 * the case of the SPDX list only: nobody guesses here what an upstream may have meant.
 */
export function spdxExpression(text: string): Expression | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

type Stated = Pick<Item, 'licences' | 'licenceClaims'>

/** Whether SPDX knows what an item says of its licence. Nothing is expected of kinds that have none. */
export function hasKnownLicence(item: Stated & Pick<Item, 'kind'>): boolean {
  return !LICENSED_KINDS.has(item.kind) || isKnown(item)
}

function isKnown({ licences = [] }: Stated): boolean {
  return licences.length > 0 && licences.every(text => spdxExpression(text) !== undefined)
}

/** What an item says: several statements all count; upstream's own words only where there is no better. */
export function licenceText({ licences = [], licenceClaims = [] }: Stated): string {
  if (licences.length === 0) return licenceClaims.join('; ')
  return licences.length === 1 ? licences[0]! : licences.map(text => (/ OR /i.test(text) ? `(${text})` : text)).join(' AND ')
}

/**
 * The entry of a list that an item cannot be used without, or undefined. `MIT OR AGPL-3.0-only` can be used under MIT; `MIT AND AGPL-3.0-only`
 * cannot. Entries: an SPDX id (with every exception), `AGPL-*`, `ID WITH EXCEPTION`, or `text:…` for what is no SPDX, compared as it is.
 */
export function bindingEntry({ licences = [], licenceClaims = [] }: Stated, entries: readonly string[]): string | undefined {
  for (const text of [...licences, ...licenceClaims]) {
    const expression = spdxExpression(text)
    const entry = expression === undefined ? entries.find(each => each === `${TEXT}${text}`) : binding(expression, entries)
    if (entry !== undefined) return entry
  }
  return undefined
}

const TEXT = 'text:'

function binding(expression: Expression, entries: readonly string[]): string | undefined {
  if ('license' in expression) return entries.find(entry => matches(entry, expression))
  const left = binding(expression.left, entries)
  const right = binding(expression.right, entries)
  return expression.conjunction === 'and' ? (left ?? right) : right === undefined ? undefined : left
}

function matches(entry: string, leaf: Extract<Expression, { license: string }>): boolean {
  const wanted = spdxExpression(entry)
  const id = currentId(leaf)
  if (wanted !== undefined && 'license' in wanted) return currentId(wanted) === id && (wanted.exception === undefined || wanted.exception === leaf.exception)
  return entry.endsWith('*') && id.startsWith(entry.slice(0, -1))
}

/** `GPL-2.0` and `GPL-2.0+`, as they were written before SPDX 3.0, in today's ids. */
function currentId({ license, plus }: Extract<Expression, { license: string }>): string {
  if (/^(A|L)?GPL-[0-9.]+$|^GFDL-[0-9.]+$/.test(license)) return `${license}-${plus === true ? 'or-later' : 'only'}`
  const [, old] = /^((?:A|L)?GPL-[0-9.]+)\+$/.exec(license) ?? []
  return old === undefined ? `${license}${plus === true ? '+' : ''}` : `${old}-or-later`
}

/** Whether an entry of a list can match anything: one that is misspelt would let through what it was meant to stop. */
export function isLicenceEntry(entry: string): boolean {
  if (entry.startsWith(TEXT)) return entry.length > TEXT.length
  if (/^[A-Za-z0-9.-]+\*$/.test(entry)) return true
  const expression = spdxExpression(entry)
  return expression !== undefined && 'license' in expression
}

export type LicenceCount = { licence: string; items: number }

/** How often each licence is stated, most frequent first, and what states none or one that SPDX does not know. */
export function licenceSummary(items: readonly Item[]): { known: LicenceCount[]; unknown: LicenceCount[]; silent: number } {
  const known = new Map<string, number>()
  const unknown = new Map<string, number>()
  let silent = 0
  for (const item of items) {
    const text = licenceText(item)
    if (text === '') silent += LICENSED_KINDS.has(item.kind) ? 1 : 0
    else {
      const counts = isKnown(item) ? known : unknown
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
  }
  return { known: byCount(known), unknown: byCount(unknown), silent }
}

function byCount(counts: ReadonlyMap<string, number>): LicenceCount[] {
  return [...counts].map(([licence, items]) => ({ licence, items })).toSorted((a, b) => b.items - a.items || (a.licence < b.licence ? -1 : 1))
}
