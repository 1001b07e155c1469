import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { DrydockError } from '../../../appliance/core/error.ts'
import { parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { writeDurably } from '../../../appliance/core/durable-file.ts'
import { checkShape } from '../../format/check.ts'
import { DigestText, type Item } from '../../format/item.ts'
import type { Json } from '../../format/json.ts'
import type { Collecting } from '../collecting.ts'
import { fetchBlob } from '../fetch/fetch-blob.ts'
import { openHttp, type HttpClient } from '../fetch/http.ts'
import { allOrStop } from '../fetch/limiter.ts'
import { npmLicences } from '../licences.ts'
import type { Coming } from '../progress.ts'
import { purl } from '../purl.ts'
import { mismatch, type Expected } from '../expected.ts'
import { hashOfFile } from '../workspace.ts'
import { npmConfig, type NpmConfig } from './config.ts'
import { packageWants } from './lockfile.ts'
import type { NpmPlatform } from './platform.ts'
import { projectWants } from './project.ts'
import type { NpmWant } from './wanted.ts'

export type NpmWants = { projects: readonly string[]; packages: readonly string[]; platforms: readonly NpmPlatform[]; folder: string }

/** What npm is asked for and where the answer is kept between runs. The integrity names the bytes, so the answer cannot grow old. */
const Cached = Type.Object({ integrity: Type.String(), digest: DigestText, size: Type.Integer(), manifest: Type.Record(Type.String(), Type.Unknown()) })
type Cached = Type.Static<typeof Cached>
type Manifest = Record<string, Json> & { dist?: { integrity?: string; shasum?: string; tarball?: string } }

/** Every version that the projects' lock files and the named packages need, each tarball checked by its integrity while it streams. */
export async function collectNpm(wants: NpmWants, collecting: Collecting): Promise<Item[]> {
  const { environment, signal, meter } = collecting
  const resolved = meter.resolving()
  const groups: { wants: NpmWant[]; folder: string }[] = []
  for (const project of wants.projects) groups.push(await projectWants(project, wants.platforms))
  if (wants.packages.length > 0) groups.push({ wants: await packageWants(wants.packages, wants.platforms, environment, signal, wants.folder), folder: wants.folder })
  const items = new Map<string, Item>()
  const planned = groups.map(group => ({ ...group, wants: group.wants.map(want => ({ want, coming: meter.coming() })) }))
  resolved()
  for (const group of planned) {
    const config = await npmConfig(group.folder, environment, signal)
    const http = openHttp(config)
    try {
      collecting.meter.planned(group.wants.length)
      const found = await allOrStop(signal, each => group.wants.map(({ want, coming }) => collecting.download(async () => await versionItem(want, coming, { ...collecting, signal: each }, config, http))))
      for (const item of found) {
        const key = `${item.name}@${item.version}`
        items.set(key, joinTags(items.get(key), item))
      }
    } finally {
      http.close()
    }
  }
  return [...items.values()]
}

async function versionItem(want: NpmWant, coming: Coming, collecting: Collecting, config: NpmConfig, http: HttpClient): Promise<Item> {
  const { workspace, meter } = collecting
  const what = `${want.name}@${want.version} (npm)`
  const folder = await workspace.cacheFolder('npm')
  const cacheFile = join(folder, `${createHash('sha256').update(`${want.name}@${want.version}`).digest('hex')}.json`)
  const cached = await readCached(cacheFile)
  if (cached !== undefined && (await isHeld(want, cached, collecting))) {
    coming.end()
    meter.finished(1)
    return itemOf(want, cached)
  }
  const registry = config.registryOf(want.name)
  const found = await versionManifest(want, registry, http, collecting.signal)
  const expected = agreed(want, found, what, collecting.pinned(`npm:${want.name}@${want.version}`)?.metadata['integrity'])
  const kept = await fetchBlob(http, { url: tarballUrl(want, registry, found), what, signal: collecting.signal, coming, expected }, workspace)
  coming.end()
  const sha512 = expected.algorithm === 'sha512' ? expected.hex : await hashOfFile(workspace.blobPath(kept.digest), 'sha512')
  const integrity = `sha512-${Buffer.from(sha512, 'hex').toString('base64')}`
  const entry: Cached = { integrity, digest: kept.digest, size: kept.size, manifest: keptManifest(found, integrity) }
  await writeDurably(cacheFile, JSON.stringify(entry))
  meter.finished(1)
  return itemOf(want, entry)
}

/**
 * The hash that both the lock file and the registry stand for. Where they use different algorithms the lock's counts: it is what
 * the project reviewed. Without one in the project (Yarn 2 and later, a bare name), our own former lock pins what came before.
 * @throws DD-COLLECT-004 when they contradict each other, or when there is none but SHA-1.
 */
function agreed(want: NpmWant, found: Manifest, what: string, pin: unknown): Expected {
  const { integrity = '', shasum } = found.dist ?? {}
  const lock = strongest(want.integrity ?? '', 'the lock file')
  const former = lock === undefined && typeof pin === 'string' ? strongest(pin, 'the former lock.json of this workspace') : undefined
  const registry = strongest(integrity, 'the registry')
  for (const known of [lock, former]) {
    if (known !== undefined && registry?.algorithm === known.algorithm && registry.hex !== known.hex) throw mismatch(what, known, registry.hex, 'the registry\'s own index')
  }
  const old = /(?:^|\s)sha1-([A-Za-z0-9+/]+=*)/.exec(want.integrity ?? '')?.[1]
  const sha1 = old === undefined ? undefined : Buffer.from(old, 'base64').toString('hex')
  if (lock === undefined && sha1 !== undefined && shasum !== sha1) {
    throw new DrydockError('DD-COLLECT-004', `expected ${what} with sha1 ${sha1} (by the lock file), found ${shasum ?? 'none'} in the registry's own index`, 'make the lock file again, and look why the registry has other bytes')
  }
  const expected = lock ?? former ?? registry
  if (expected === undefined) {
    throw new DrydockError('DD-COLLECT-004', `expected a sha512, sha384 or sha256 integrity for ${what}, found ${JSON.stringify((want.integrity ?? integrity).slice(0, 60))}`, 'ask the registry for sha512 integrity, and make the lock file again')
  }
  return expected
}

/** The answer of an earlier run stands when it is about the bytes that the lock file means, and those are here and whole. */
async function isHeld(want: NpmWant, cached: Cached, { workspace }: Collecting): Promise<boolean> {
  const digest = parseDigest(cached.digest)
  if ((await workspace.present(digest)) !== cached.size) return false
  const expected = strongest(want.integrity ?? cached.integrity, 'the lock file') ?? strongest(cached.integrity, 'the registry')
  return expected !== undefined && (await hashOfFile(workspace.blobPath(digest), expected.algorithm)) === expected.hex
}

async function readCached(path: string): Promise<Cached | undefined> {
  try {
    return checkShape(Cached, JSON.parse(await readFile(path, 'utf8')), path)
  } catch {
    return undefined
  }
}

/** The version object. Registries answer `name/version`; one that does not is asked for the whole packument. */
async function versionManifest(want: NpmWant, registry: string, http: HttpClient, signal: AbortSignal): Promise<Manifest> {
  const name = want.name.replace('/', '%2f')
  const what = `${want.name}@${want.version} (npm)`
  try {
    const found = parsed(await http.document({ url: `${registry}${name}/${encodeURIComponent(want.version)}`, what, accept: 'application/json', signal }), what)
    if (found['name'] === want.name && found['version'] === want.version) return found as Manifest
  } catch (failure) {
    if (!(failure instanceof DrydockError && failure.code === 'DD-COLLECT-006')) throw failure
  }
  const packument = parsed(await http.document({ url: `${registry}${name}`, what: `packument of ${want.name} (npm)`, accept: 'application/json', signal }), what)
  const found = (packument['versions'] as Record<string, Manifest> | undefined)?.[want.version]
  if (found === undefined) throw new DrydockError('DD-COLLECT-006', `expected ${what} in the registry, found other versions only`, 'check the version, and which registry `npm config get registry` names')
  return found
}

function parsed(bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Not JSON: a login page or a proxy's error, told below like any other wrong answer.
  }
  throw new DrydockError('DD-COLLECT-005', `expected ${what} as a JSON object, found something else`, 'look at the registry or proxy that answered')
}

/** Registries that mirror others often leave the first one's address in `dist.tarball`; npm goes to its own registry, and so do we. */
function tarballUrl(want: NpmWant, registry: string, manifest: Manifest): string {
  const told = manifest.dist?.tarball
  if (told !== undefined && URL.canParse(told) && new URL(told).host === new URL(registry).host) return told
  return `${registry}${want.name}/-/${want.name.slice(want.name.indexOf('/') + 1)}-${want.version}.tgz`
}

/** The strongest hash of an SRI string; SHA-1 proves nothing and does not count. */
function strongest(integrity: string, by: string): Expected | undefined {
  for (const algorithm of ['sha512', 'sha384', 'sha256'] as const) {
    const base64 = new RegExp(`(?:^|\\s)${algorithm}-([A-Za-z0-9+/]+=*)`).exec(integrity)?.[1]
    if (base64 !== undefined) return { algorithm, hex: Buffer.from(base64, 'base64').toString('hex'), by }
  }
  return undefined
}

/** What the mirror serves: without the upstream address, registry bookkeeping and readme; with what npm adds for its installers. */
function keptManifest(found: Manifest, integrity: string): Record<string, Json> {
  const { tarball: _tarball, ...dist } = found.dist ?? {}
  const fields = Object.entries(found).filter(([key]) => key !== 'dist' && key !== 'readme' && key !== 'readmeFilename' && (!key.startsWith('_') || key === '_id' || key === '_hasShrinkwrap'))
  const scripts = (found['scripts'] ?? {}) as Record<string, Json>
  const installs = found['gypfile'] === true || ['preinstall', 'install', 'postinstall'].some(name => typeof scripts[name] === 'string')
  return { ...Object.fromEntries(fields), ...(installs ? { hasInstallScript: true } : {}), dist: { ...dist, integrity } }
}

function itemOf(want: NpmWant, { manifest, integrity, digest, size }: Cached): Item {
  const path = want.name.split('/')
  return {
    kind: 'npm',
    name: want.name,
    version: want.version,
    metadata: { manifest, integrity, tags: want.tags },
    blobs: [{ name: `${path.at(-1)}-${want.version}.tgz`, digest: digest as Digest, size, mediaType: 'application/octet-stream' }],
    source: purl('npm', path, want.version),
    upstream: { digest: integrity },
    ...npmLicences(manifest),
  }
}

function joinTags(before: Item | undefined, item: Item): Item {
  if (before === undefined) return item
  const tags = [...new Set([...(before.metadata['tags'] as string[]), ...(item.metadata['tags'] as string[])])].toSorted()
  return { ...item, metadata: { ...item.metadata, tags } }
}
