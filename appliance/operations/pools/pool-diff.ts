import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import type { Lock } from '../../model/lock.ts'
import type { PoolSpec } from '../../model/pool.ts'
import type { PoolDiff } from '../../model/view.ts'
import { changeText, fieldChanges } from './revision-change.ts'

export type Side = { revision: number; spec: PoolSpec; lock: Lock }

/** What would change between what runs and what stands at the head, package by package and layer by layer. Pure. */
export function poolDiff(from: Side | null, to: Side, nodesToReplace: number): PoolDiff {
  const withoutFields = from === null ? null : { ...to.spec, roles: from.spec.roles }
  return {
    from: from?.revision ?? null,
    to: to.revision,
    roles: withoutFields === null ? to.spec.roles : roleTexts(withoutFields, to.spec),
    packages: packageChanges(from?.lock ?? null, to.lock),
    fields: fieldChanges(from?.spec ?? null, to.spec),
    layers: layerChanges(from?.lock ?? null, to.lock),
    nodesToReplace,
  }
}

function roleTexts(before: PoolSpec, after: PoolSpec): string[] {
  const text = changeText(before, after)
  return text === 'no change' ? [] : text.split(', ')
}

/** `deb:libc6` and `pip:numpy`, so that what shares a name is not mixed up. */
function packagesOf(lock: Lock): Map<string, string> {
  const packages = new Map<string, string>()
  for (const deb of [...lock.base.debs, lock.base.kernel, ...lock.roles.flatMap(role => role.debs)]) packages.set(`deb:${deb.name}`, deb.version)
  for (const wheel of lock.roles.flatMap(role => role.wheels)) {
    const [name = wheel.name, version = ''] = wheel.name.split('-')
    packages.set(`pip:${name}`, version)
  }
  for (const { from } of lock.roles.flatMap(role => role.files)) packages.set(`file:${from.name}`, from.digest.slice(0, 19))
  return packages
}

function packageChanges(from: Lock | null, to: Lock): PoolDiff['packages'] {
  const before = from === null ? new Map<string, string>() : packagesOf(from)
  const after = packagesOf(to)
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter(name => before.get(name) !== after.get(name))
    .toSorted()
    .map(name => ({ name, from: before.get(name) ?? null, to: after.get(name) ?? null }))
}

/** A layer is what its part of the lock says; the database is made of all of them. */
function layersOf(lock: Lock): Map<string, string> {
  const common = { baker: lock.baker, os: lock.os, arch: lock.arch }
  return new Map([
    ['base', canonicalJson({ common, base: lock.base })],
    ...lock.roles.map((role): [string, string] => [`${role.role}-${role.version}`, canonicalJson({ common, role })]),
    ['database', canonicalJson(lock)],
  ])
}

function layerChanges(from: Lock | null, to: Lock): PoolDiff['layers'] {
  const before = from === null ? new Map<string, string>() : layersOf(from)
  const after = layersOf(to)
  return [
    ...[...after].map(([name, content]) => ({ name, state: before.get(name) === content ? ('same' as const) : ('new' as const) })),
    ...[...before.keys()].filter(name => !after.has(name)).map(name => ({ name, state: 'removed' as const })),
  ]
}
