import { DrydockError } from '../../../appliance/core/error.ts'
import type { Descriptor } from './descriptor.ts'

const REFERENCE_TYPE = 'vnd.docker.reference.type'
const REFERENCE_DIGEST = 'vnd.docker.reference.digest'

/** `linux/arm64` takes every variant, `linux/arm/v7` only that one. */
export function isPlatform(wanted: string, { os, architecture, variant }: { os: string; architecture: string; variant?: string | undefined }): boolean {
  const [wantedOs, wantedArchitecture, wantedVariant] = wanted.split('/')
  return os === wantedOs && architecture === wantedArchitecture && (wantedVariant === undefined || variant === wantedVariant)
}

/**
 * Of an index those manifests that are for the chosen platforms, with what BuildKit attests about them. One without a platform is an
 * index or an artifact and always comes.
 * @throws DD-COLLECT-006 when a platform is not there.
 */
export function chosenManifests(manifests: readonly Descriptor[], platforms: readonly string[] | undefined, what: string): Descriptor[] {
  if (platforms === undefined || manifests.length === 0) return [...manifests]
  const isAttestation = ({ annotations }: Descriptor) => annotations?.[REFERENCE_TYPE] === 'attestation-manifest'
  const chosen = manifests.filter(each => !isAttestation(each) && (each.platform === undefined || platforms.some(platform => isPlatform(platform, each.platform!))))
  const missing = platforms.find(platform => !chosen.some(each => each.platform === undefined || isPlatform(platform, each.platform)))
  if (missing !== undefined) {
    const there = manifests.flatMap(each => (each.platform === undefined || isAttestation(each) ? [] : [[each.platform.os, each.platform.architecture, each.platform.variant].filter(Boolean).join('/')]))
    throw new DrydockError('DD-COLLECT-006', `expected ${what} for ${missing}, found ${there.join(', ') || 'no platform'}`, 'correct `platform` in the collection file')
  }
  const digests = new Set(chosen.map(({ digest }) => digest as string))
  return manifests.filter(each => chosen.includes(each) || (isAttestation(each) && digests.has(each.annotations?.[REFERENCE_DIGEST] ?? '')))
}
