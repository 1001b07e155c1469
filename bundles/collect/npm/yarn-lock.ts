import { parseSyml } from '@yarnpkg/parsers'
import Type from 'typebox'
import { DrydockError } from '../../../appliance/core/error.ts'
import { checkShape } from '../../format/check.ts'
import { conditionLists, runsOn, type NpmPlatform } from './platform.ts'
import { isRegistryTarball, notFromRegistry, wantedVersions, type NpmWant } from './wanted.ts'

/** Yarn 1: `name@range, name@other:` with where it came from and the registry's own integrity. */
const Classic = Type.Record(Type.String(), Type.Object({ version: Type.String(), resolved: Type.Optional(Type.String()), integrity: Type.Optional(Type.String()) }))
/** Yarn 2 and later: each entry names its `resolution` (a locator) and the machines it is for. */
const Berry = Type.Record(Type.String(), Type.Object({ version: Type.String(), resolution: Type.Optional(Type.String()), conditions: Type.Optional(Type.String()) }))

/** What `yarn install --frozen-lockfile` (Yarn 1) or `--immutable` (Yarn 2 and later, on one of the platforms) would fetch. */
export function yarnWants(text: string, what: string, platforms: readonly NpmPlatform[]): NpmWant[] {
  const lock = parsedLock(text, what)
  const { __metadata: metadata, ...entries } = lock
  if (metadata !== undefined) return berryWants(checkShape(Berry, entries, what), what, platforms)
  if (/^# yarn lockfile v1$/m.test(text)) return classicWants(checkShape(Classic, entries, what), what)
  throw new DrydockError('DD-COLLECT-007', `expected ${what} to be written by Yarn, found neither its first version's mark nor __metadata`, 'make it again: yarn install --mode=update-lockfile (Yarn 1: yarn install)')
}

function parsedLock(text: string, what: string): Record<string, unknown> {
  try {
    return parseSyml(text)
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-007', `expected ${what} to be a lock file of Yarn, found something else`, 'make it again: yarn install --mode=update-lockfile (Yarn 1: yarn install)', { cause })
  }
}

/** Everything that the lock names, for whatever machine: Yarn 1 fetches it all before it looks what fits, and fails without. */
function classicWants(entries: Type.Static<typeof Classic>, what: string): NpmWant[] {
  const wants = wantedVersions(what)
  for (const [key, { version, resolved, integrity }] of Object.entries(entries)) {
    const pattern = key.split(', ')[0]!.replace(/^"|"$/g, '')
    const at = pattern.indexOf('@', 1)
    const [own, range] = at === -1 ? [pattern, ''] : [pattern.slice(0, at), pattern.slice(at + 1)]
    if (resolved === undefined || !isRegistryTarball(resolved) || /^(file|link|portal|git)/.test(range)) throw notFromRegistry(own, what, resolved ?? range)
    const name = /^npm:((?:@[^/@]+\/)?[^/@]+)(@|$)/.exec(range)?.[1] ?? own
    // Its fragment is the tarball's SHA-1 and proves nothing; locks of Yarn before 1.10 have only that.
    wants.add({ name, version, integrity, tags: [] })
  }
  return wants.all()
}

/**
 * `checksum` is of the zip that Yarn itself makes of a tarball, so it cannot be compared with anything that a registry says: the
 * registry's integrity counts, and our lock keeps it. Yarn compares its checksum again inside, when it makes the same zip.
 */
function berryWants(entries: Type.Static<typeof Berry>, what: string, platforms: readonly NpmPlatform[]): NpmWant[] {
  const wants = wantedVersions(what)
  for (const [key, { resolution, conditions }] of Object.entries(entries)) {
    const [, name, protocol, reference = ''] = /^((?:@[^/@]+\/)?[^/@]+)@([a-z+]+):(.*)$/s.exec(resolution ?? '') ?? []
    // The workspace is the project's own code. What a patch is applied to has an entry of its own.
    if (protocol === 'workspace' || protocol === 'patch') continue
    if (conditions !== undefined && !platforms.some(platform => runsOn(conditionLists(conditions), platform))) continue
    const version = /^\d[^:]*/.exec(reference)?.[0]
    if (protocol !== 'npm' || name === undefined || version === undefined) throw notFromRegistry(name ?? key, what, resolution ?? 'no resolution')
    wants.add({ name, version, integrity: undefined, tags: [] })
  }
  return wants.all()
}
