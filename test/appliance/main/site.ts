import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parse } from 'yaml'
import { itemKey, type Item } from '../../../bundles/format/item.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { silentLog, type Log } from '../../../appliance/core/log.ts'
import type { PoolDocument } from '../../../appliance/model/pool.ts'
import type { Config } from '../../../appliance/main/inside/config.ts'
import { init } from '../../../appliance/main/inside/init.ts'
import { startAppliance, type Appliance, type Overrides } from '../../../appliance/main/inside/start.ts'
import { bundleOf, fileItems, person, trustOf, type Person } from '../../support/bundles.ts'
import { quickBake, quickResolve } from './quick-image.ts'

/** Small, so that a test's disk is not filled by what nobody uses. Bytes. */
export const TEST_RESERVE = 256 * 1024

export type Site = { folder: string; config: Config; people: Person[]; trustFile: string }

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => {
    server.listen(0, '127.0.0.1', done)
  })
  const { port } = server.address() as AddressInfo
  await new Promise(done => {
    server.close(done)
  })
  return port
}

async function configIn(folder: string): Promise<Config> {
  const [port, agentPort] = [await freePort(), await freePort()]
  return {
    dataDir: join(folder, 'data'), marksDir: join(folder, 'marks'), siteId: 'site-a', publicUrl: `https://localhost:${port}`, names: ['localhost', '127.0.0.1'],
    listen: { host: '127.0.0.1', port }, agentListen: { host: '127.0.0.1', port: agentPort }, mediaRoots: [join(folder, 'media')], watchFolders: [], removableMedia: 'ignore', policy: { licences: { refuse: [], warn: [] }, internalNames: {} }, scan: { scanners: [], clamav: 'off', clamavMaxAgeDays: 14, clamavRescan: 'auto' },
  }
}

/** Two people with keys, a trust file that wants both, and where the appliance is to be; not initialised. */
export async function planSite(folder: string): Promise<Site> {
  mkdirSync(join(folder, 'media'), { recursive: true })
  const people = [await person('Ana Ruiz'), await person('Jon Berg')]
  const trustFile = join(folder, 'trust.json')
  writeFileSync(trustFile, JSON.stringify(trustOf(people)))
  return { folder, config: await configIn(folder), people, trustFile }
}

export async function initSite(site: Site): Promise<Awaited<ReturnType<typeof init>>> {
  return await init({ config: site.config, admin: 'admin', clock: wallClock, trust: { file: site.trustFile, sha256: hexOf(digestOf(readFileSync(site.trustFile))) }, reserveBytes: TEST_RESERVE })
}

/** The same appliance a second time, elsewhere: under the same public address, behind ports of its own. */
export async function copySite(site: Site, folder: string): Promise<Site> {
  cpSync(site.folder, folder, { recursive: true })
  const moved = (path: string): string => path.replace(site.folder, folder)
  const { dataDir, marksDir, mediaRoots, publicUrl } = site.config
  return { ...site, folder, trustFile: moved(site.trustFile), config: { ...(await configIn(folder)), publicUrl, dataDir: moved(dataDir), marksDir: moved(marksDir), mediaRoots: mediaRoots.map(moved) } }
}

/** With a bake and a resolve that take milliseconds, without verdaccio, and a loop that looks often. */
export async function startSite(config: Config, overrides: Overrides = {}, log: Log = silentLog): Promise<Appliance> {
  return await startAppliance(config, log, {
    bake: quickBake(join(config.dataDir, 'images')), resolve: quickResolve, privateNpm: false, reserveBytes: TEST_RESERVE, intervals: { moving: 40, resting: 300 }, ...overrides,
  })
}

const PACKS = join(import.meta.dirname, '../../../bundles/roles')

/** The role packs that ship with the product, and two files, in one signed volume under the media root. */
export async function bringBundle(site: Site, sequence = 1, files: Record<string, string> = { 'hello.txt': 'hello\n' }): Promise<string> {
  const folder = join(site.folder, `bundle-${sequence}`)
  const blobs = join(folder, 'blobs')
  const packs = ['debian-12', 'python-3.11', 'numpy-1.25.2', 'numpy-1.26.0'].map((name): Item => {
    const bytes = readFileSync(join(PACKS, `${name}.yaml`))
    const { role, base, version } = parse(bytes.toString()) as { role?: string; base?: string; version: string }
    const digest = digestOf(bytes)
    mkdirSync(blobs, { recursive: true })
    writeFileSync(join(blobs, hexOf(digest)), bytes)
    return { kind: 'role', name: role ?? base ?? '', version, metadata: {}, blobs: [{ name: 'pack', digest, size: bytes.length }], source: `pkg:generic/${name}` }
  })
  const items = [...packs, ...fileItems(blobs, files)].toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  const built = await bundleOf({ folder, items, signers: site.people.map(({ signer }) => signer), sequence })
  const path = join(site.folder, 'media', `site-a-000${sequence}.drydock`)
  cpSync(built.file, path)
  return path
}

export function poolDocument(change: Partial<PoolDocument['spec']> = {}): PoolDocument {
  return {
    apiVersion: 'drydock/v1',
    kind: 'Pool',
    metadata: { name: 'linux-demo' },
    spec: {
      os: 'linux', size: 2, base: 'debian-12', roles: ['python-3.11', 'numpy-1.25.2'], nodeName: 'lin', hardware: { cpus: 1, memory: '512MiB' }, ci: { connection: 'ci', labels: ['linux'] }, hypervisors: ['sim'],
      rollout: { maxSurge: 1, maxUnavailable: 0, soak: '0s' },
      ...change,
    },
  }
}

/** A simulated hypervisor and the CI server of the test, with short times. */
export async function connectSim(appliance: Appliance, ciUrl: string, ciToken: string): Promise<void> {
  const { connections } = appliance.services
  const known = appliance.desired.read().connections
  if (known.ci['ci'] === undefined) await connections.addCi({ name: 'ci', kind: 'sim', url: ciUrl, token: ciToken, options: { quietWindow: 60 } })
  if (known.hypervisors['sim'] === undefined) {
    await connections.addHypervisor({ name: 'sim', kind: 'sim', options: { heartbeatMilliseconds: 60, bootMilliseconds: [10, 30], verifyMilliseconds: [5, 10], createMilliseconds: [1, 4], destroyMilliseconds: [1, 4] } })
  }
}
