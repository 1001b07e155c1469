import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import Type from 'typebox'
import { parse, YAMLParseError } from 'yaml'
import { volumeBytes } from '../../../../bundles/build/index.ts'
import { checkShape } from '../../../../bundles/format/check.ts'
import { SITES_FOLDER } from '../../../../bundles/format/collection-lock.ts'
import { PARITY_SHARDS } from '../../../../bundles/format/limits.ts'
import { DrydockError } from '../../../core/error.ts'

/** Sites of one relay file. */
const RELAY_SITES = 64

const strict = { additionalProperties: false } as const
const Path = Type.String({ minLength: 1, maxLength: 1024 })
const SITE = '[a-z0-9][a-z0-9-]{0,62}'

/** What may differ from site to site. Where there are several, the top of the file says it for all that do not say it themselves. */
const ofSite = {
  stream: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })),
  /** Where bundles wait that need more signatures than the relay's own. Default: outbox/ in the sender's folder. */
  outbox: Type.Optional(Path),
  /** The appliance's trust document: every bundle is judged by it before it is dropped. */
  trust: Type.Optional(Path),
  sign: Type.Optional(Type.Object({ keys: Type.Optional(Type.Array(Path)), gpg: Type.Optional(Type.Array(Type.String({ minLength: 1 }))), passphraseFile: Type.Optional(Path) }, strict)),
  /**
   * Only what the site does not hold yet: by the newest of its receipts in a folder, or, where nothing comes back, by what this relay
   * dropped last (the site must import every bundle then; one that it lacks is named there). Without it: whole bundles.
   */
  since: Type.Optional(Type.Union([Type.Literal('dropped'), Type.Object({ receipts: Path, applianceKey: Path }, strict)])),
  /** As `bundle build --volume`. */
  volume: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 32 }), Type.Integer({ minimum: 1 })])),
  /** As `bundle build --parity`: for a watch folder on a medium, or behind a line that loses files. */
  parity: Type.Optional(Type.Integer({ minimum: 0, maximum: PARITY_SHARDS })),
}
/** The folder that the appliance watches. It must be there. */
const watchFolder = Path
const OneOfSites = Type.Object({ site: Type.String({ pattern: `^${SITE}$`, description: 'the siteId of an appliance' }), watchFolder, ...ofSite }, strict)

/** `relay.yaml`. Paths are relative to the file. */
export const RelayFile = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Relay'),
    /** What to collect: a collection file, as `bundle collect` takes it. */
    collection: Path,
    /** What is collected lies there; made when it is not there. One relay, one workspace. */
    workspace: Path,
    /** One site, whose sender's folder is the workspace itself … */
    site: Type.Optional(Type.String({ pattern: `^(\\*|${SITE})$`, description: 'the siteId of the appliance, or "*"' })),
    watchFolder: Type.Optional(watchFolder),
    /** … or several, each with a sender's folder of its own: WORKSPACE/sites/SITE. */
    sites: Type.Optional(Type.Array(OneOfSites, { minItems: 1, maxItems: RELAY_SITES })),
    ...ofSite,
    /** `30m`, `6h`, `1d`: from the start of one round to the start of the next. */
    every: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}[smhd]$', description: 'a number with s, m, h or d behind it, like 6h' })),
    /** `02:30`: times of the day, UTC. */
    at: Type.Optional(Type.Array(Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$', description: 'a time like 02:30 (UTC)' }), { minItems: 1, maxItems: 48 })),
    /** Everything is fetched through it: `http://proxy.site.example:3128`. Without it: as this machine is set up. */
    proxy: Type.Optional(Type.String({ pattern: '^https?://[^\\s/]+/?$', description: 'an address like http://proxy.site.example:3128' })),
    /** Hosts that are reached directly all the same; only with `proxy`. */
    noProxy: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 64 })),
  },
  strict,
)
type RelayFile = Type.Static<typeof RelayFile>

export type Schedule = { everyMs: number } | { at: readonly string[] }

/** One site's share of a relay. */
export type Delivery = {
  site: string
  watchFolder: string
  /** The sender's: sequence, records, what waits and what was dropped. */
  folder: string
  outbox: string
  trust: string
  sign: { key: string[]; gpg: string[]; passphraseFile?: string }
  stream?: string
  since?: NonNullable<RelayFile['since']>
  volumeBytes?: number
  parity?: number
}

export type Relay = Pick<RelayFile, 'collection' | 'workspace' | 'proxy' | 'noProxy'> & {
  deliveries: readonly [Delivery, ...Delivery[]]
  /** Undefined: only `--once` can run it. */
  schedule: Schedule | undefined
}

/** Paths become absolute. @throws DD-RELAY-001, DD-CORE-009 for an unknown or wrong field */
export async function readRelay(path: string): Promise<Relay> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new DrydockError('DD-RELAY-001', `expected a relay file at ${path}, found none that can be read`, 'name the YAML file that says what to collect and where to drop it; `drydock bundle relay --help` shows one', { cause })
  })
  const file = checkShape(RelayFile, parsed(text, path), path)
  const at = (each: string): string => resolve(dirname(resolve(path)), each)
  if (file.every !== undefined && file.at !== undefined) throw new DrydockError('DD-RELAY-001', `expected every or at in ${path}, found both`, 'keep one of them')
  if (file.noProxy !== undefined && file.proxy === undefined) throw new DrydockError('DD-RELAY-001', `expected proxy beside noProxy in ${path}, found noProxy alone`, 'add proxy, or set NO_PROXY in the environment')
  const { every, at: times, proxy, noProxy } = file
  return {
    collection: at(file.collection), workspace: at(file.workspace), ...(proxy === undefined ? {} : { proxy }), ...(noProxy === undefined ? {} : { noProxy }),
    deliveries: deliveriesOf(file, path, at),
    schedule: every !== undefined ? { everyMs: milliseconds(every) } : times === undefined ? undefined : { at: times.toSorted() },
  }
}

/** @throws DD-RELAY-001 for a site that is named twice or lacks something */
function deliveriesOf(file: RelayFile, path: string, at: (path: string) => string): Relay['deliveries'] {
  const workspace = at(file.workspace)
  const { site, watchFolder: watched, sites } = file
  if (sites === undefined) {
    if (site === undefined || watched === undefined) throw new DrydockError('DD-RELAY-001', `expected site and watchFolder in ${path}, or sites with several of them, found ${site === undefined ? 'no site' : 'no watchFolder'}`, 'add what is missing; `drydock bundle relay --help` shows both')
    return [deliveryOf({ ...file, site, watchFolder: watched }, workspace, path, at)]
  }
  if (site !== undefined || watched !== undefined) throw new DrydockError('DD-RELAY-001', `expected ${site === undefined ? 'watchFolder' : 'site'} at each of the sites in ${path}, found it at the top too`, 'move it into the list')
  const { stream, outbox, trust, sign, since, volume, parity } = file
  const shared = { ...(stream && { stream }), ...(trust && { trust }), ...(sign && { sign }), ...(since && { since }), ...(volume && { volume }), ...(parity && { parity }) }
  const [first, ...more] = sites.map(each =>
    deliveryOf({ ...shared, ...(outbox === undefined ? {} : { outbox: join(outbox, each.site) }), ...each }, join(workspace, SITES_FOLDER, each.site), path, at))
  for (const [k, { site: name, watchFolder: folder }] of more.entries()) {
    const before = [first!, ...more.slice(0, k)]
    if (before.some(other => other.site === name)) throw new DrydockError('DD-RELAY-001', `expected each site once in ${path}, found ${name} twice`, 'leave one of them out: two would number one stream')
    if (before.some(other => other.watchFolder === folder)) throw new DrydockError('DD-RELAY-001', `expected a watch folder for each site in ${path}, found ${folder} twice`, 'give each site a folder of its own: bundles of two sites bear the same names')
  }
  return [first!, ...more]
}

function deliveryOf({ site, watchFolder: watched, stream, outbox, trust, sign, since, volume, parity }: Type.Static<typeof OneOfSites>, folder: string, path: string, at: (path: string) => string): Delivery {
  if (trust === undefined) throw new DrydockError('DD-RELAY-001', `expected the trust document of ${site} in ${path}, found none`, 'add trust: trust.json, the one that its appliance has')
  return {
    site, folder, watchFolder: at(watched), trust: at(trust),
    outbox: outbox === undefined ? join(folder, 'outbox') : at(outbox),
    sign: { key: (sign?.keys ?? []).map(at), gpg: sign?.gpg ?? [], ...(sign?.passphraseFile === undefined ? {} : { passphraseFile: at(sign.passphraseFile) }) },
    ...(stream === undefined ? {} : { stream }),
    ...(since === undefined ? {} : { since: since === 'dropped' ? since : { receipts: at(since.receipts), applianceKey: at(since.applianceKey) } }),
    ...(volume === undefined ? {} : { volumeBytes: volumeBytes(String(volume)) }),
    ...(parity === undefined ? {} : { parity }),
  }
}

function parsed(text: string, path: string): unknown {
  try {
    return parse(text, { uniqueKeys: true, maxAliasCount: 0 })
  } catch (failure) {
    if (!(failure instanceof YAMLParseError)) throw failure
    throw new DrydockError('DD-RELAY-001', `expected YAML in ${path}, found a mistake in line ${failure.linePos?.[0].line ?? '?'}`, 'correct the file', { cause: failure })
  }
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function milliseconds(text: string): number {
  return Number(text.slice(0, -1)) * UNITS[text.at(-1) as keyof typeof UNITS]
}

/**
 * One setting for all that fetch: curl's variables for apt, skopeo and our own client, npm's and pip's own so that no npmrc or pip.conf
 * wins over it. An `Acquire::http::Proxy` in apt.conf is stronger than any variable: apt asks it first.
 */
export function proxyVariables({ proxy, noProxy = [] }: Pick<Relay, 'proxy' | 'noProxy'>): Record<string, string> {
  if (proxy === undefined) return {}
  const direct = noProxy.join(',')
  return Object.fromEntries([
    ...['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'npm_config_proxy', 'npm_config_https_proxy', 'PIP_PROXY'].map(name => [name, proxy]),
    ...['no_proxy', 'NO_PROXY', 'npm_config_noproxy'].map(name => [name, direct]),
  ])
}
