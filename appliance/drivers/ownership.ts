import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import type { Ownership, VmIntent } from '../model/hypervisor.ts'

/** Of the intent without the config drive's bytes: these hold a one-time token and differ from try to try. */
export function intentDigest(vm: VmIntent): Digest {
  return digestOf(canonicalJson({ name: vm.name, ownership: vm.ownership, image: vm.image, hardware: vm.hardware }))
}

export function sameOwnership(a: Ownership, b: Ownership): boolean {
  return a.applianceId === b.applianceId && a.pool === b.pool && a.revision === b.revision && a.fence === b.fence
}

/** @throws DD-HV-002 unless all four fields agree. */
export function requireOwnership(name: string, found: Ownership | null, expected: Ownership): void {
  if (found !== null && sameOwnership(found, expected)) return
  throw new DrydockError(
    'DD-HV-002',
    `expected ${name} to belong to ${inWords(expected)}, found ${found === null ? 'a VM without ownership' : inWords(found)}`,
    'leave it to its owner; if it is ours and of an older state, the next observation will show it with its own ownership',
  )
}

/** @throws DD-HV-001 when a VM of this name was made from another intent. */
export function requireSameIntent(name: string, found: Digest, expected: Digest): void {
  if (found === expected) return
  throw new DrydockError('DD-HV-001', `expected ${name} to be of intent ${expected.slice(0, 19)}, found ${found.slice(0, 19)}`, 'destroy the old VM first, or take a new name')
}

function inWords(owner: Ownership): string {
  return `appliance ${owner.applianceId}, pool ${owner.pool}, revision ${owner.revision}, fence ${owner.fence}`
}
