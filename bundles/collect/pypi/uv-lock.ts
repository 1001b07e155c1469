import { parse } from 'smol-toml'
import Type from 'typebox'
import { DrydockError } from '../../../appliance/core/error.ts'
import { checkShape } from '../../format/check.ts'
import { normalisedName } from '../../format/pypi-name.ts'

const Dependency = Type.Object({ name: Type.String(), version: Type.Optional(Type.String()), extra: Type.Optional(Type.Array(Type.String())), marker: Type.Optional(Type.String()) })
const Groups = Type.Optional(Type.Record(Type.String(), Type.Array(Dependency)))
const File = Type.Object({ hash: Type.Optional(Type.String()) })
const Package = Type.Object({
  name: Type.String(),
  version: Type.Optional(Type.String()),
  source: Type.Record(Type.String(), Type.Unknown()),
  dependencies: Type.Optional(Type.Array(Dependency)),
  'optional-dependencies': Groups,
  'dev-dependencies': Groups,
  sdist: Type.Optional(File),
  wheels: Type.Optional(Type.Array(File)),
})
type Package = Type.Static<typeof Package>
/** https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile: version 1; later revisions only add fields. */
const Lock = Type.Object({ version: Type.Literal(1), package: Type.Optional(Type.Array(Package)) })

export type UvLock = { what: string; packages: readonly Package[]; markers: readonly string[] }
/** One version that the lock pins, with the sha256 of each of its wheels. */
export type UvPin = { name: string; version: string; hashes: readonly string[] }

/** @throws DD-COLLECT-017 when it is no uv.lock of version 1. */
export function readUvLock(text: string, what: string): UvLock {
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-017', `expected ${what} to be TOML, found a fault`, 'make it again: uv lock', { cause })
  }
  if (typeof document !== 'object' || document === null || !('version' in document) || document.version !== 1) {
    throw new DrydockError('DD-COLLECT-017', `expected ${what} of version 1, found another`, 'make it again with a uv that writes version 1: uv lock')
  }
  const packages = checkShape(Lock, document, what).package ?? []
  return { what, packages, markers: [...new Set(packages.flatMap(dependenciesOf).flatMap(({ marker }) => (marker === undefined ? [] : [marker])))] }
}

/**
 * What `uv sync --frozen --all-packages --all-extras --all-groups` installs where these markers hold.
 * @param holds of each marker of the lock. One about `extra` speaks of conflicting extras: all of them come.
 * @throws DD-COLLECT-017 naming what does not come from an index, or has no wheel.
 */
export function uvPins(lock: UvLock, holds: ReadonlyMap<string, boolean>): UvPin[] {
  const pins = new Map<string, UvPin>()
  const seen = new Set<string>()
  const waiting = lock.packages.filter(isOwn).map(found => ({ found, extras: Object.keys(found['optional-dependencies'] ?? {}), groups: true }))
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { found, extras, groups } = next
    if (!isOwn(found)) pins.set(`${found.name}==${found.version}`, pinOf(found, lock.what))
    const follow = [
      ...(found.dependencies ?? []),
      ...extras.flatMap(extra => found['optional-dependencies']?.[extra] ?? []),
      ...(groups ? Object.values(found['dev-dependencies'] ?? {}).flat() : []),
    ]
    for (const dependency of follow) {
      if (dependency.marker !== undefined && !/\bextra\b/.test(dependency.marker) && holds.get(dependency.marker) !== true) continue
      const key = `${dependency.name}==${dependency.version}[${(dependency.extra ?? []).join()}]`
      if (seen.has(key)) continue
      seen.add(key)
      for (const target of lock.packages.filter(each => each.name === dependency.name && (dependency.version ?? each.version) === each.version)) {
        waiting.push({ found: target, extras: dependency.extra ?? [], groups: false })
      }
    }
  }
  return [...pins.values()]
}

function dependenciesOf(found: Package): Type.Static<typeof Dependency>[] {
  return [...(found.dependencies ?? []), ...Object.values(found['optional-dependencies'] ?? {}).flat(), ...Object.values(found['dev-dependencies'] ?? {}).flat()]
}

/** The project and the members of its workspace: code that is there already. What lies outside of it is not. */
function isOwn({ source }: Package): boolean {
  const place = source['virtual'] ?? source['editable'] ?? source['directory']
  return typeof place === 'string' && !place.startsWith('..') && !place.startsWith('/')
}

function pinOf(found: Package, what: string): UvPin {
  const [kind, place] = Object.entries(found.source)[0] ?? ['nothing', '']
  if (kind !== 'registry' || found.version === undefined) {
    throw new DrydockError('DD-COLLECT-017', `expected ${found.name} in ${what} to come from an index, found ${kind} ${JSON.stringify(place).slice(0, 200)}`, 'depend on a published release: what comes from git, a folder or an address of its own cannot be mirrored as a package')
  }
  if ((found.wheels ?? []).length === 0) {
    throw new DrydockError('DD-COLLECT-017', `expected a wheel of ${found.name} ${found.version} in ${what}, found ${found.sdist === undefined ? 'no file' : 'a source distribution only'}`, 'pin a release that has wheels, or build one and publish it in your own index: nothing is built while collecting')
  }
  const hashes = found.wheels!.flatMap(({ hash }) => /^sha256:([0-9a-f]{64})$/.exec(hash ?? '')?.[1] ?? [])
  if (hashes.length < found.wheels!.length) throw new DrydockError('DD-COLLECT-004', `expected a sha256 for every wheel of ${found.name} ${found.version} in ${what}, found one without`, 'make the lock again against an index that gives sha256 hashes')
  return { name: normalisedName(found.name), version: found.version, hashes }
}
