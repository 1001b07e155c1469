import Type from 'typebox'
import type { Digest } from '../../appliance/core/digest.ts'
import { asDrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import type { Definitions } from '../../bundles/format/import-record.ts'
import { ITEM_KINDS, type Item } from '../../bundles/format/item.ts'
import { DEFINITION_FILES, FUTURE_MS } from './limits.ts'

/** Definitions travel as this item; its version is when they were built, `20261120.0712`, so the newest sorts last. */
export const DEFINITIONS = { kind: 'advisories' satisfies (typeof ITEM_KINDS)[number], name: 'clamav' } as const

const Metadata = Type.Object({ built: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' }) })

/**
 * Databases that ClamAV reads. The signed containers it checks itself; loose ones are as good as the bundle's signatures. Left out are
 * those that only make files clean (`.fp`, `.sfp`, `.ign2`, `.wdb`): who may ship content shall not be able to switch a finding off.
 */
const DATABASE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.(cvd|cld|cud|hdb|hsb|mdb|msb|ndb|ldb|idb|cdb|crb|pdb|gdb|yara)$/

export type Loaded = Definitions & { files: { name: string; digest: Digest }[] }

export function isDefinitions(item: Item): boolean {
  return item.kind === DEFINITIONS.kind && item.name === DEFINITIONS.name
}

/** What is wrong with an item of definitions before anybody loads it, or undefined. */
export function faultOf(item: Item, now: Date): string | undefined {
  const strange = item.blobs.find(({ name }) => !DATABASE.test(name))
  if (strange !== undefined) return `expected databases of signatures (main.cvd, *.hdb …), found a file of another kind: ${JSON.stringify(strange.name)}`
  if (item.blobs.length === 0 || item.blobs.length > DEFINITION_FILES) return `expected 1 to ${DEFINITION_FILES} files, found ${item.blobs.length}`
  try {
    const { built } = checkShape(Metadata, item.metadata, 'the metadata')
    if (!(Date.parse(built) <= now.getTime() + FUTURE_MS)) return `expected definitions that are built already, found ${built}`
    if (item.version !== versionOf(built)) return `expected version ${versionOf(built)} for definitions built ${built}, found ${item.version}`
    return undefined
  } catch (failure) {
    return asDrydockError(failure).message
  }
}

/** `2026-11-20T07:12:30Z` → `20261120.0712` */
export function versionOf(built: string): string {
  return `${built.slice(0, 10).replaceAll('-', '')}.${built.slice(11, 16).replace(':', '')}`
}

/** The newest of the items that are served now. */
export function newestDefinitions(items: readonly Item[], now: Date): Loaded | null {
  const newest = items.filter(item => faultOf(item, now) === undefined).toSorted((a, b) => (a.version < b.version ? -1 : 1)).at(-1)
  return newest === undefined ? null : loaded(newest, now)
}

export function loaded(item: Item, now: Date): Loaded {
  const { built } = checkShape(Metadata, item.metadata, 'the metadata of definitions')
  return { version: item.version, built, ageDays: ageDays(built, now), files: item.blobs.map(({ name, digest }) => ({ name, digest })) }
}

export function ageDays(built: string, now: Date): number {
  return Math.max(0, Math.floor((now.getTime() - Date.parse(built)) / (24 * 60 * 60 * 1000)))
}
