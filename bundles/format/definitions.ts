import Type from 'typebox'
import type { Item } from './item.ts'

/** ClamAV's definitions travel as this item; its version is when they were built, `20261120.0712`, so the newest sorts last. */
export const DEFINITIONS = { kind: 'advisories', name: 'clamav' } as const satisfies Pick<Item, 'kind' | 'name'>

export const BuiltAt = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' })
export const DefinitionsMetadata = Type.Object({ built: BuiltAt })

/**
 * Databases that ClamAV reads. The signed containers it checks itself; loose ones are as good as the bundle's signatures. Left out are
 * those that only make files clean (`.fp`, `.sfp`, `.ign2`, `.wdb`): who may ship content shall not be able to switch a finding off.
 */
export const DATABASE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.(cvd|cld|cud|hdb|hsb|mdb|msb|ndb|ldb|idb|cdb|crb|pdb|gdb|yara)$/
export const DEFINITION_FILES = 64

/** `2026-11-20T07:12:30Z` → `20261120.0712` */
export function definitionsVersion(built: string): string {
  return `${built.slice(0, 10).replaceAll('-', '')}.${built.slice(11, 16).replace(':', '')}`
}
