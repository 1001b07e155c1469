import { join, normalize } from 'node:path/posix'
import Type from 'typebox'
import { parseAllDocuments } from 'yaml'
import { DrydockError } from '../../../appliance/core/error.ts'
import { checkShape } from '../../format/check.ts'
import { runsOn, type NpmPlatform } from './platform.ts'
import { isRegistryTarball, notFromRegistry, wantedVersions, type NpmWant } from './wanted.ts'

const Words = Type.Optional(Type.Array(Type.String()))
const Dependencies = Type.Optional(Type.Record(Type.String(), Type.Object({ version: Type.String() })))
const Importer = Type.Object({ dependencies: Dependencies, devDependencies: Dependencies, optionalDependencies: Dependencies })
const Package = Type.Object({
  name: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  resolution: Type.Optional(
    Type.Object({ integrity: Type.Optional(Type.String()), tarball: Type.Optional(Type.String()), type: Type.Optional(Type.String()), directory: Type.Optional(Type.String()), repo: Type.Optional(Type.String()) }),
  ),
  optional: Type.Optional(Type.Boolean()),
  os: Words,
  cpu: Words,
  libc: Words,
})
type Package = Type.Static<typeof Package>
/** https://github.com/pnpm/spec/tree/master/lockfile: 6.0 (pnpm 8) has all under `packages`, 9.0 (pnpm 9 and later) puts `optional` under `snapshots`. */
const PnpmLock = Type.Object({
  lockfileVersion: Type.Union([Type.String(), Type.Number()]),
  importers: Type.Optional(Type.Record(Type.String(), Importer)),
  packages: Type.Optional(Type.Record(Type.String(), Package)),
  snapshots: Type.Optional(Type.Record(Type.String(), Type.Object({ optional: Type.Optional(Type.Boolean()) }))),
})
type PnpmLock = Type.Static<typeof PnpmLock>

/** What `pnpm install --frozen-lockfile` would install on one of the platforms, over all packages of the workspace. */
export function pnpmWants(text: string, what: string, platforms: readonly NpmPlatform[]): NpmWant[] {
  const wants = wantedVersions(what)
  for (const lock of parsedLocks(text, what)) {
    const workspace = new Set(Object.keys(lock.importers ?? {}))
    for (const [folder, importer] of Object.entries(lock.importers ?? {})) refuseForeignLinks(folder, importer, workspace, what)
    const needed = neededSnapshots(lock)
    for (const [key, entry] of Object.entries(lock.packages ?? {})) {
      if (entry.resolution?.directory !== undefined && workspace.has(normalize(entry.resolution.directory))) continue
      if (isOptional(key, entry, lock, needed) && !platforms.some(platform => runsOn(entry, platform))) continue
      wants.add(wantOf(key, entry, what))
    }
  }
  return wants.all()
}

function parsedLocks(text: string, what: string): PnpmLock[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true })
  const remedy = 'make it again with pnpm 8 or newer: pnpm install --lockfile-only'
  if (!Array.isArray(documents) || documents.some(document => document.errors.length > 0)) throw new DrydockError('DD-COLLECT-007', `expected ${what} to be YAML, found something else`, remedy)
  return documents.map(document => {
    const lock = checkShape(PnpmLock, document.toJS({ maxAliasCount: 0 }), what)
    if (!/^(6|9)(\.\d+)?$/.test(String(lock.lockfileVersion))) throw new DrydockError('DD-COLLECT-007', `expected ${what} of lockfileVersion 6 or 9, found ${lock.lockfileVersion}`, remedy)
    return lock
  })
}

/** A link into the workspace is the project's own code; one out of it is code that nobody publishes. */
function refuseForeignLinks(folder: string, importer: Type.Static<typeof Importer>, workspace: ReadonlySet<string>, what: string): void {
  for (const group of [importer.dependencies, importer.devDependencies, importer.optionalDependencies]) {
    for (const [name, { version }] of Object.entries(group ?? {})) {
      if (version.startsWith('link:') && !workspace.has(normalize(join(folder, version.slice('link:'.length))).replace(/\/$/, ''))) throw notFromRegistry(name, what, version)
    }
  }
}

/** Of 9.0: keys of packages (without peers) that something needs not only optionally. */
function neededSnapshots(lock: PnpmLock): Set<string> {
  return new Set(Object.entries(lock.snapshots ?? {}).flatMap(([key, { optional }]) => (optional === true ? [] : [withoutPeers(key)])))
}

function isOptional(key: string, entry: Package, lock: PnpmLock, needed: ReadonlySet<string>): boolean {
  return lock.snapshots === undefined ? entry.optional === true : !needed.has(key)
}

/** `name@1.0.0(peer@2.0.0)` → `name@1.0.0` */
function withoutPeers(key: string): string {
  const peers = key.indexOf('(')
  return peers === -1 ? key : key.slice(0, peers)
}

function wantOf(key: string, entry: Package, what: string): NpmWant {
  const { resolution } = entry
  const [, name, version] = /^\/?((?:@[^/@]+\/)?[^/@]+)@(\d[^/:]*)$/.exec(withoutPeers(key)) ?? []
  const fromElsewhere = resolution?.type !== undefined || resolution?.directory !== undefined || (resolution?.tarball !== undefined && !isRegistryTarball(resolution.tarball))
  if (name === undefined || version === undefined || fromElsewhere) {
    throw notFromRegistry(entry.name ?? key, what, resolution?.repo ?? resolution?.tarball ?? resolution?.directory ?? key)
  }
  return { name, version, integrity: resolution?.integrity, tags: [] }
}
