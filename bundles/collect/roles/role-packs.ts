import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { DrydockError } from '../../../appliance/core/error.ts'
import { checkShape } from '../../format/check.ts'
import type { Item } from '../../format/item.ts'
import { BasePack, RolePack } from '../../format/role.ts'
import type { Collecting } from '../collecting.ts'
import { purl } from '../purl.ts'

type Arch = (RolePack | BasePack)['arch']

/** A pack as it lies in a file; its bytes travel unchanged, because the lock names their digest. */
export type FoundPack = { name: string; version: string; bytes: Buffer; file: string; pack: RolePack | BasePack }

/** Packs of these files and folders; a later place wins over an earlier one for the same name, version and architecture. */
export async function readPacks(places: readonly string[]): Promise<FoundPack[]> {
  const packs = new Map<string, FoundPack>()
  for (const place of places) {
    for (const file of await yamlFiles(place)) {
      const found = await readPack(file)
      packs.set(`${found.name}@${found.version}:${found.pack.arch}`, found)
    }
  }
  return [...packs.values()]
}

async function yamlFiles(place: string): Promise<string[]> {
  const state = await lstat(place).catch((failure: unknown) => {
    throw new DrydockError('DD-COLLECT-011', `expected role packs at ${place}, found nothing there`, 'correct rolePacks in the collection file', { cause: failure })
  })
  if (!state.isDirectory()) return [place]
  return (await readdir(place)).filter(name => /\.ya?ml$/.test(name)).toSorted().map(name => join(place, name))
}

async function readPack(file: string): Promise<FoundPack> {
  const bytes = await readFile(file)
  const document = parseDocument(bytes.toString('utf8'), { uniqueKeys: true })
  if (document.errors.length > 0) throw new DrydockError('DD-COLLECT-001', `expected ${file} to be YAML, found a fault (${document.errors[0]!.code})`, 'correct that file', { cause: document.errors[0] })
  const value: unknown = document.toJS({ maxAliasCount: 0 })
  const isBase = typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Base'
  const pack = isBase ? checkShape(BasePack, value, `base ${file}`) : checkShape(RolePack, value, `role ${file}`)
  return { name: pack.kind === 'Base' ? pack.base : pack.role, version: pack.version, bytes, file, pack }
}

/**
 * The packs that the names mean, and those that they require, for each architecture in the order of the names. `python-3.11` is the newest
 * 3.11 of `python`; `cmake` alone is the newest of all; `cmake:arm64` is for that architecture alone.
 * @throws DD-COLLECT-009 for a name that no pack has.
 */
export function selectPacks(names: readonly string[], packs: readonly FoundPack[], architectures: readonly Arch[]): FoundPack[] {
  const asked = names.map(word => {
    const [name = word, arch] = word.split(':')
    const only = architectures.find(each => each === arch)
    if (arch !== undefined && only === undefined) throw new DrydockError('DD-COLLECT-009', `expected an architecture of the collection behind ${name}:, found ${arch}`, `add it to architectures, or name one of ${architectures.join(', ')}`)
    return { name, only }
  })
  return architectures.flatMap(arch => packsFor(asked.flatMap(({ name, only }) => (only === undefined || only === arch ? [name] : [])), packs, arch))
}

function packsFor(names: readonly string[], packs: readonly FoundPack[], arch: Arch): FoundPack[] {
  const chosen: FoundPack[] = []
  const waiting = names.map(name => ({ name, askedBy: 'the collection' }))
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { name, askedBy } = next
    const fitting = packs.filter(found => found.pack.arch === arch && fits(name, found))
    const newest = fitting.toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }))[0]
    if (newest === undefined) {
      throw noSuchPack(name, askedBy, packs, arch)
    }
    if (chosen.includes(newest)) continue
    chosen.push(newest)
    if (newest.pack.kind === 'Role') waiting.push(...newest.pack.requires.map(required => ({ name: required, askedBy: name })))
  }
  return chosen
}

function noSuchPack(name: string, askedBy: string, packs: readonly FoundPack[], arch: Arch): DrydockError {
  const known = packs.filter(({ pack }) => pack.arch === arch).map(found => `${found.name}-${found.version}`).toSorted().join(', ')
  const elsewhere = [...new Set(packs.flatMap(found => (fits(name, found) ? [found.pack.arch] : [])))]
  const hint = elsewhere.length === 0 ? 'correct the name, or add the pack under rolePacks' : `say ${elsewhere.map(each => `${name}:${each}`).join(' and ')} when it shall come for that alone, or add a pack for ${arch} under rolePacks`
  return new DrydockError('DD-COLLECT-009', `expected a role pack ${name} for ${arch} (named by ${askedBy}), found ${known === '' ? 'no packs for it' : `only ${known}`}`, hint)
}

function fits(name: string, found: FoundPack): boolean {
  return found.name === name || (name.startsWith(`${found.name}-`) && isVersionOf(name.slice(found.name.length + 1), found.version))
}

/** `3.11` covers 3.11 and 3.11.2, never 3.110. */
function isVersionOf(wanted: string, version: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`)
}

/** The variant is the architecture, but for amd64, which has none. */
export async function packItem(found: FoundPack, { workspace, meter }: Collecting): Promise<Item> {
  const { arch } = found.pack
  const variant = arch === 'amd64' ? undefined : arch
  meter.planned(1)
  const kept = await workspace.put(found.bytes)
  meter.finished(1)
  return {
    kind: 'role',
    name: found.name,
    version: found.version,
    ...(variant === undefined ? {} : { variant }),
    metadata: {},
    blobs: [{ name: `${found.name}-${found.version}${variant === undefined ? '' : `-${variant}`}.yaml`, ...kept, mediaType: 'application/yaml' }],
    source: purl('generic', ['drydock', found.name], found.version, variant === undefined ? {} : { arch }),
  }
}
