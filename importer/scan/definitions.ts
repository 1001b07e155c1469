import type { Digest } from '../../appliance/core/digest.ts'
import { asDrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { DATABASE_NAME, DEFINITION_FILES, DEFINITIONS, DefinitionsMetadata, definitionsVersion } from '../../bundles/format/definitions.ts'
import type { Definitions } from '../../bundles/format/import-record.ts'
import type { Item } from '../../bundles/format/item.ts'
import { FUTURE_MS } from './limits.ts'

export type Loaded = Definitions & { files: { name: string; digest: Digest }[] }

export function isDefinitions(item: Item): boolean {
  return item.kind === DEFINITIONS.kind && item.name === DEFINITIONS.name
}

/** What is wrong with an item of definitions before anybody loads it, or undefined. */
export function faultOf(item: Item, now: Date): string | undefined {
  const strange = item.blobs.find(({ name }) => !DATABASE_NAME.test(name))
  if (strange !== undefined) return `expected databases of signatures (main.cvd, *.hdb …), found a file of another kind: ${JSON.stringify(strange.name)}`
  if (item.blobs.length === 0 || item.blobs.length > DEFINITION_FILES) return `expected 1 to ${DEFINITION_FILES} files, found ${item.blobs.length}`
  try {
    const { built } = checkShape(DefinitionsMetadata, item.metadata, 'the metadata')
    if (!(Date.parse(built) <= now.getTime() + FUTURE_MS)) return `expected definitions that are built already, found ${built}`
    if (item.version !== definitionsVersion(built)) return `expected version ${definitionsVersion(built)} for definitions built ${built}, found ${item.version}`
    return undefined
  } catch (failure) {
    return asDrydockError(failure).message
  }
}

/** The newest of the items that are served now. */
export function newestDefinitions(items: readonly Item[], now: Date): Loaded | null {
  const newest = items.filter(item => faultOf(item, now) === undefined).toSorted((a, b) => (a.version < b.version ? -1 : 1)).at(-1)
  return newest === undefined ? null : loaded(newest, now)
}

export function loaded(item: Item, now: Date): Loaded {
  const { built } = checkShape(DefinitionsMetadata, item.metadata, 'the metadata of definitions')
  return { version: item.version, built, ageDays: ageDays(built, now), files: item.blobs.map(({ name, digest }) => ({ name, digest })) }
}

export function ageDays(built: string, now: Date): number {
  return Math.max(0, Math.floor((now.getTime() - Date.parse(built)) / (24 * 60 * 60 * 1000)))
}
