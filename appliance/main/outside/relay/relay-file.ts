import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import Type from 'typebox'
import { parse, YAMLParseError } from 'yaml'
import { checkShape } from '../../../../bundles/format/check.ts'
import { DrydockError } from '../../../core/error.ts'

const strict = { additionalProperties: false } as const
const Path = Type.String({ minLength: 1, maxLength: 1024 })
const Site = Type.String({ pattern: '^(\\*|[a-z0-9][a-z0-9-]{0,62})$', description: 'the siteId of the appliance, or "*"' })

/** `relay.yaml`. Paths are relative to the file. */
export const RelayFile = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Relay'),
    /** What to collect: a collection file, as `bundle collect` takes it. */
    collection: Path,
    /** The sender's folder; made when it is not there. One relay, one workspace. */
    workspace: Path,
    site: Site,
    stream: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })),
    /** The folder that the appliance watches. It must be there. */
    watchFolder: Path,
    /** Where bundles wait that need more signatures than the relay's own. Default: WORKSPACE/outbox. */
    outbox: Type.Optional(Path),
    /** The appliance's trust document: every bundle is judged by it before it is dropped. */
    trust: Path,
    sign: Type.Optional(Type.Object({ keys: Type.Optional(Type.Array(Path)), gpg: Type.Optional(Type.Array(Type.String({ minLength: 1 }))), passphraseFile: Type.Optional(Path) }, strict)),
    /** `30m`, `6h`, `1d`: from the start of one round to the start of the next. */
    every: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}[smhd]$', description: 'a number with s, m, h or d behind it, like 6h' })),
    /** `02:30`: times of the day, UTC. */
    at: Type.Optional(Type.Array(Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$', description: 'a time like 02:30 (UTC)' }), { minItems: 1, maxItems: 48 })),
    /**
     * Only what the site does not hold yet: by the newest of its receipts in a folder, or, where nothing comes back, by what this relay
     * dropped last (the site must import every bundle then; one that it lacks is named there). Without it: whole bundles.
     */
    since: Type.Optional(Type.Union([Type.Literal('dropped'), Type.Object({ receipts: Path, applianceKey: Path }, strict)])),
    /** As `bundle build --volume`. */
    volume: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
    /** Everything is fetched through it: `http://proxy.site.example:3128`. Without it: as this machine is set up. */
    proxy: Type.Optional(Type.String({ pattern: '^https?://[^\\s/]+/?$', description: 'an address like http://proxy.site.example:3128' })),
    /** Hosts that are reached directly all the same; only with `proxy`. */
    noProxy: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 64 })),
  },
  strict,
)
type RelayFile = Type.Static<typeof RelayFile>

export type Schedule = { everyMs: number } | { at: readonly string[] }

export type Relay = Omit<RelayFile, 'apiVersion' | 'kind' | 'every' | 'at' | 'outbox' | 'sign'> & {
  outbox: string
  sign: { key: string[]; gpg: string[]; passphraseFile?: string }
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
  const { apiVersion: _version, kind: _kind, every, at: times, outbox, sign, ...rest } = file
  const workspace = at(file.workspace)
  return {
    ...rest,
    collection: at(file.collection), workspace, watchFolder: at(file.watchFolder), trust: at(file.trust),
    outbox: outbox === undefined ? resolve(workspace, 'outbox') : at(outbox),
    sign: { key: (sign?.keys ?? []).map(at), gpg: sign?.gpg ?? [], ...(sign?.passphraseFile === undefined ? {} : { passphraseFile: at(sign.passphraseFile) }) },
    ...(file.since === undefined || file.since === 'dropped' ? {} : { since: { receipts: at(file.since.receipts), applianceKey: at(file.since.applianceKey) } }),
    schedule: every !== undefined ? { everyMs: milliseconds(every) } : times === undefined ? undefined : { at: times.toSorted() },
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
