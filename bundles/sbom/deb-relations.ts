import { compareVersions } from '../format/debian-version.ts'
import type { Item } from '../format/item.ts'
import { remembered, type Needs } from './needs.ts'

/** `libc6 (>= 2.36)`, one alternative of a relation (Debian Policy, 7.1). */
type Relation = { name: string; operator?: string; version?: string }
/** What a package is, or says that it provides; only the former, and a versioned provision, can meet a relation with a version. */
type Offer = { item: Item; version: string | undefined }

const HOLDS: Readonly<Record<string, (order: number) => boolean>> = { '<<': order => order < 0, '<=': order => order <= 0, '=': order => order === 0, '>=': order => order >= 0, '>>': order => order > 0 }

/**
 * Pre-Depends and Depends of the packages of a bundle, each met by what is in it: the first alternative that is there, as apt prefers it, in
 * every version that will do, because it is not known which of several suites a machine inside uses.
 */
export function debNeeds(items: readonly Item[]): (item: Item) => Needs | undefined {
  const offers = new Map<string, Offer[]>()
  const offer = (name: string, one: Offer): void => {
    const before = offers.get(name)
    if (before === undefined) offers.set(name, [one])
    else before.push(one)
  }
  for (const item of items) {
    offer(item.name, { item, version: item.version })
    for (const [provided] of relations(field(item, 'Provides'))) if (provided !== undefined) offer(provided.name, { item, version: provided.operator === '=' ? provided.version : undefined })
  }

  const metBy = remembered(({ name, operator, version }: Relation, architecture: string) => (offers.get(name) ?? []).flatMap(({ item, version: offered }) => {
    if (!together(architecture, architectureOf(item))) return []
    if (operator === undefined || version === undefined) return [item]
    return offered !== undefined && HOLDS[operator]?.(compareVersions(offered, version)) === true ? [item] : []
  }))
  return item => {
    if (typeof item.metadata['control'] !== 'string') return undefined
    const met: Item[] = []
    let lacks = false
    for (const alternatives of [...relations(field(item, 'Pre-Depends')), ...relations(field(item, 'Depends'))]) {
      const found = alternatives.map(relation => metBy(relation, architectureOf(item))).find(meeting => meeting.items.length > 0)
      met.push(...(found?.items ?? []))
      if (found?.whole !== true) lacks = true
    }
    return { met, lacks }
  }
}

/** Packages for two architectures are not installed into one system here, but for those that are for all. */
function together(a: string, b: string): boolean {
  return a === b || a === 'all' || b === 'all'
}

function architectureOf({ metadata: { architecture } }: Item): string {
  return typeof architecture === 'string' ? architecture : 'all'
}

function field(item: Item, name: string): string {
  const { control } = item.metadata
  if (typeof control !== 'string') return ''
  return (new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, 'mi').exec(control)?.[1] ?? '').replace(/\n[ \t]+/g, ' ').trim()
}

function relations(text: string): Relation[][] {
  if (text === '') return []
  return text.split(',').map(group => group.split('|').flatMap(alternative => relationOf(alternative) ?? [])).filter(group => group.length > 0)
}

function relationOf(text: string): Relation | undefined {
  const [, name, operator, version] = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?$/.exec(text.trim()) ?? []
  if (name === undefined) return undefined
  return operator === undefined || version === undefined ? { name } : { name, operator, version }
}
