import { hostname } from 'node:os'
import { isIP } from 'node:net'
import { join, relative, resolve } from 'node:path'
import Type from 'typebox'
import { parse, YAMLParseError } from 'yaml'
import { checkShape } from '../../../bundles/format/check.ts'
import { isLicenceEntry } from '../../../bundles/format/licence.ts'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import type { InternalNames } from '../../../importer/stage/index.ts'
import { ClamavMode, ClamavRescan, MAX_AGE_DAYS, ScannerCommand, type ScanConfig } from '../../../importer/scan/index.ts'
import { DrydockError } from '../../core/error.ts'
import { readPlainFile } from '../../state/data-folder.ts'

const strict = { additionalProperties: false } as const
const Listen = Type.String({ pattern: '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$', description: 'HOST:PORT' })

const LicenceEntries = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 256 })

/** Patterns of names, `*` for anything: a name of this many characters is longer than any registry takes. */
const NamePatterns = Type.Array(Type.String({ pattern: '^(?!\\*+$)[^\\s\\p{Cc}]{1,214}$', description: 'a name like acme-tools, @acme/* or acme-*, and not * alone' }), { maxItems: 256 })

/** What this site wants to know of, or not to have, in bundles. */
const SitePolicy = Type.Object(
  {
    /** SPDX ids (`AGPL-3.0-only`), `AGPL-*`, or `text:…` for what is no SPDX. `refuse` quarantines the import, `warn` says so in the preflight. */
    licences: Type.Optional(Type.Object({ refuse: Type.Optional(LicenceEntries), warn: Type.Optional(LicenceEntries) }, strict)),
    /** Names of packages that are this site's own, by kind of package or for `all`: a bundle that brings one of them is quarantined. */
    internalNames: Type.Optional(Type.Object(Object.fromEntries(['all' as const, ...ITEM_KINDS].map(kind => [kind, Type.Optional(NamePatterns)])), strict)),
  },
  strict,
)

/** `drydock.yaml`: facts of the machine only. Everything that people decide while it runs is desired state. */
export const ConfigFile = Type.Object(
  {
    dataDir: Type.Optional(Type.String({ minLength: 1 })),
    marksDir: Type.Optional(Type.String({ minLength: 1 })),
    siteId: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', description: 'a name of small letters, digits and -' })),
    /** The one address of the appliance, everywhere: `https://drydock.site-a.example:8443`. */
    publicUrl: Type.Optional(Type.String({ pattern: '^https://[A-Za-z0-9.:\\[\\]-]+$', description: 'an address like https://drydock.site-a:8443, without a path' })),
    /** Other names and addresses that the server certificate holds. */
    names: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Za-z0-9.:-]{1,253}$' }), { maxItems: 32 })),
    /** Console, API and mirrors. */
    listen: Type.Optional(Listen),
    /** Agents of the nodes. */
    agentListen: Type.Optional(Listen),
    /** Folders below which `import run PATH` may name a file of this machine. */
    mediaRoots: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { maxItems: 32 })),
    /** Folders in which a bundle that appears starts its import by itself, as far as the preflight. */
    watchFolders: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { maxItems: 32 })),
    /** `read`: a stick or disc that is plugged in starts the imports of its bundles, as far as the preflight. `ignore`: nothing looks at it. */
    removableMedia: Type.Optional(Type.Enum(['read', 'ignore'] as const)),
    /** Only in the file: neither flags nor variables of the environment change policy. */
    policy: Type.Optional(SitePolicy),
    /** Who looks at what comes in; also only in the file (importer/scan/README.md). */
    scanners: Type.Optional(Type.Array(ScannerCommand, { maxItems: 8 })),
    clamav: Type.Optional(ClamavMode),
    clamavMaxAgeDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650 })),
    clamavRescan: Type.Optional(ClamavRescan),
  },
  strict,
)
export type ConfigFile = Type.Static<typeof ConfigFile>

export type Address = { host: string; port: number }

export type Config = {
  dataDir: string
  marksDir: string
  siteId: string
  publicUrl: string
  /** publicUrl's host first. */
  names: string[]
  listen: Address
  agentListen: Address
  mediaRoots: string[]
  watchFolders: string[]
  removableMedia: 'read' | 'ignore'
  policy: { licences: { refuse: string[]; warn: string[] }; internalNames: InternalNames }
  scan: ScanConfig
}

/** Where a folder says how it was initialised; `init` writes it. */
export function configFileOf(dataDir: string): string {
  return join(dataDir, 'drydock.yaml')
}

/** Where packages put the machine's configuration. */
const MACHINE_FILE = '/etc/drydock/drydock.yaml'

const VARIABLES = {
  dataDir: 'DRYDOCK_DATA', marksDir: 'DRYDOCK_MARKS', siteId: 'DRYDOCK_SITE', publicUrl: 'DRYDOCK_PUBLIC_URL', names: 'DRYDOCK_NAMES', listen: 'DRYDOCK_LISTEN',
  agentListen: 'DRYDOCK_AGENT_LISTEN', mediaRoots: 'DRYDOCK_MEDIA_ROOTS', watchFolders: 'DRYDOCK_WATCH_FOLDERS', removableMedia: 'DRYDOCK_REMOVABLE_MEDIA',
} as const satisfies Record<Exclude<keyof ConfigFile, 'policy' | keyof ScanConfig>, string>

/**
 * Flags > environment (`DRYDOCK_*`) > file (`--config`, else the data folder's own, else the machine's).
 * @throws DD-STATE-017 naming the value, DD-CORE-009 for an unknown field.
 */
export async function loadConfig(flags: ConfigFile & { config?: string }, environment: NodeJS.ProcessEnv): Promise<Config> {
  const { config: file, ...given } = flags
  const fromFlags = checkShape(ConfigFile, given, 'the command line')
  const fromEnvironment = checkShape(ConfigFile, ofEnvironment(environment), 'the environment (DRYDOCK_*)')
  const chosen = file ?? environment['DRYDOCK_CONFIG']
  const folder = fromFlags.dataDir ?? fromEnvironment.dataDir
  const fromFile = chosen !== undefined ? await readConfig(chosen, true) : { ...(await readConfig(MACHINE_FILE, false)), ...(folder === undefined ? {} : await readConfig(configFileOf(folder), false)) }
  return complete({ ...fromFile, ...fromEnvironment, ...fromFlags })
}

/** Fields whose variable holds several values, with commas between. */
const LISTS: ReadonlySet<string> = new Set(['names', 'mediaRoots', 'watchFolders'])

function ofEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(VARIABLES).flatMap(([field, variable]): [string, unknown][] => {
      const value = environment[variable]
      if (value === undefined || value === '') return []
      return [[field, LISTS.has(field) ? value.split(',') : value]]
    }),
  )
}

async function readConfig(path: string, required: boolean): Promise<ConfigFile> {
  const text = await readPlainFile(path)
  if (text === undefined) {
    if (!required) return {}
    throw new DrydockError('DD-STATE-017', `expected a configuration at ${path}, found none`, 'correct --config or DRYDOCK_CONFIG')
  }
  try {
    return checkShape(ConfigFile, parse(text) ?? {}, path)
  } catch (failure) {
    if (!(failure instanceof YAMLParseError)) throw failure
    throw new DrydockError('DD-STATE-017', `expected YAML in ${path}, found a mistake in line ${failure.linePos?.[0].line ?? '?'}`, 'correct the file', { cause: failure })
  }
}

function complete(file: ConfigFile): Config {
  if (file.dataDir === undefined) throw new DrydockError('DD-STATE-017', 'expected a data folder, found none given', 'add --data DIR (or DRYDOCK_DATA, or dataDir in drydock.yaml)')
  const dataDir = resolve(file.dataDir)
  const marksDir = resolve(file.marksDir ?? `${dataDir}.marks`)
  if (!relative(dataDir, marksDir).startsWith('..')) {
    throw new DrydockError('DD-STATE-017', `expected marksDir outside the data folder, found ${marksDir}`, 'restoring a backup of the data folder must not lower the marks: name another folder with --marks')
  }
  const listen = address(file.listen ?? '0.0.0.0:8443', 'listen')
  const publicUrl = file.publicUrl ?? `https://${hostname()}:${listen.port}`
  const url = new URL(publicUrl)
  return {
    dataDir,
    marksDir,
    siteId: file.siteId ?? 'site',
    publicUrl: url.origin,
    names: [...new Set([bareHost(url.hostname), ...(file.names ?? []), 'localhost', '127.0.0.1'])],
    listen,
    agentListen: address(file.agentListen ?? `${file.listen?.replace(/:[0-9]+$/, '') ?? '0.0.0.0'}:8444`, 'agentListen'),
    mediaRoots: (file.mediaRoots ?? []).map(root => resolve(root)),
    watchFolders: (file.watchFolders ?? []).map(folder => resolve(folder)),
    removableMedia: file.removableMedia ?? 'read',
    policy: { licences: { refuse: licences(file.policy?.licences?.refuse, 'refuse'), warn: licences(file.policy?.licences?.warn, 'warn') }, internalNames: file.policy?.internalNames ?? {} },
    scan: { scanners: file.scanners ?? [], clamav: file.clamav ?? 'auto', clamavMaxAgeDays: file.clamavMaxAgeDays ?? MAX_AGE_DAYS, clamavRescan: file.clamavRescan ?? 'auto' },
  }
}

/** @throws DD-STATE-017: an entry that matches nothing would let through what it was meant to stop */
function licences(entries: string[] | undefined, list: string): string[] {
  const odd = entries?.find(entry => !isLicenceEntry(entry))
  if (odd === undefined) return entries ?? []
  throw new DrydockError('DD-STATE-017', `expected ids of the SPDX licence list under policy.licences.${list}, found ${JSON.stringify(odd)}`, 'write them as SPDX does (AGPL-3.0-only), with * at the end for a family (AGPL-*), or as text:… for words that are no SPDX id')
}

function address(text: string, field: string): Address {
  const colon = text.lastIndexOf(':')
  const host = bareHost(text.slice(0, colon))
  const port = Number(text.slice(colon + 1))
  if (port > 65_535 || (isIP(host) === 0 && !/^[A-Za-z0-9.-]+$/.test(host))) throw new DrydockError('DD-STATE-017', `expected HOST:PORT for ${field}, found ${text}`, 'for example 0.0.0.0:8443')
  return { host, port }
}

function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
