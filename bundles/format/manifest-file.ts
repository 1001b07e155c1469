import { DrydockError } from '../../appliance/core/error.ts'
import { canonicalJson } from './canonical-json.ts'
import { checkShape } from './check.ts'
import type { ItemKind } from './item.ts'
import { BUNDLE_FORMAT, Manifest } from './manifest.ts'
import { checkParity } from './parity.ts'
import { parseCanonicalJson } from './strict-json.ts'
import { TRUST_ROLES, type TrustRole } from './trust.ts'

export const MANIFEST_NAME = 'manifest.json'
export const SIGNATURES_NAME = 'manifest.json.asc'

/** Fields that this version understands; `critical` may name only these. */
const KNOWN = new Set(Object.keys(Manifest.properties))

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(canonicalJson(manifest))
}

/** @throws DD-BUNDLE-009 (not canonical), DD-BUNDLE-011 (format or critical field unknown), DD-CORE-009 (shape) */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseCanonicalJson(bytes, MANIFEST_NAME)
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined
  if (format !== BUNDLE_FORMAT) {
    throw new DrydockError('DD-BUNDLE-011', `expected a bundle of format ${BUNDLE_FORMAT}, found ${JSON.stringify(format)?.slice(0, 80) ?? 'none'}`, 'update the appliance with an older bundle first, or build with a matching version')
  }
  const manifest = checkShape(Manifest, value, MANIFEST_NAME)
  const unknown = manifest.critical?.filter(field => !KNOWN.has(field)) ?? []
  if (unknown.length > 0) {
    throw new DrydockError('DD-BUNDLE-011', `expected only critical fields that this version knows, found ${unknown.map(field => JSON.stringify(field)).join(', ')}`, 'update the appliance before importing this bundle')
  }
  checkParity(manifest)
  return manifest
}

/** Which roles must have signed what a bundle holds. */
const ROLE_OF_KIND: ReadonlyMap<string, TrustRole> = new Map<ItemKind, TrustRole>([['trust', 'root'], ['recall', 'recall']])

export function rolesNeeded(manifest: Pick<Manifest, 'totals'>): TrustRole[] {
  const roles = new Set(Object.keys(manifest.totals.items).map(kind => ROLE_OF_KIND.get(kind) ?? 'release'))
  if (roles.size === 0) roles.add('release')
  return TRUST_ROLES.filter(role => roles.has(role))
}

/** Volumes count from 1, and the parity volumes of a set go on after the last one. */
export function volumeName(manifest: Pick<Manifest, 'name' | 'sequence' | 'volumes'>, volume: number): string {
  const count = manifest.volumes.length
  const part = volume > count ? `p${volume - count}` : `v${volume}-of-${count}`
  return `${manifest.name}-${String(manifest.sequence).padStart(4, '0')}.${part}.drydock`
}
