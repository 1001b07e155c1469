import { createReadStream } from 'node:fs'
import { access, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestFromHex } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { Item } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import { allOrStop, limiter } from '../fetch/limiter.ts'
import { APT_BATCH, PARALLEL_APT, PROGRESS_MS } from '../limits.ts'
import { purl } from '../purl.ts'
import { withLicences } from './copyright.ts'
import { mismatch } from '../expected.ts'
import { closure, downloadDebs, preparePrivateApt, sourceFault, updateLists, type DebName, type PrivateApt, type TrustedSource } from './private-apt.ts'
import { isFundamental, packageStanzas, verifiedRelease, type PackageStanza, type VerifiedRelease } from './release.ts'
import { machineSources, mayBeDebian } from './sources.ts'
import type { AptSource } from '../collection.ts'

/** Folders of running downloads inside apt's own. */
const DOWNLOAD = 'download-'
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Packages that must be installable together on an empty machine. `bootstrap` adds all that Debian calls essential or required, and apt. */
export type AptWant = { what: string; packages: readonly string[]; bootstrap: boolean }
export type AptWants = { arch: string; sources: 'machine' | readonly AptSource[]; suites: readonly string[]; sets: readonly AptWant[] }

type Known = PackageStanza & { suite: string; component: string; signedBy: string }

/**
 * Every deb that the wanted sets need, from nothing, and when the newest of the archives' Releases was made.
 * Sets are resolved one by one (they need not fit together), so that each can be resolved again offline from what is collected.
 */
export async function collectApt(wants: AptWants, collecting: Collecting): Promise<{ items: Item[]; newest: Date | undefined }> {
  const { workspace, meter, signal } = collecting
  const resolved = meter.resolving()
  const sources = await trustedSources(wants)
  const apt = await preparePrivateApt(await workspace.cacheFolder(`apt-${wants.arch}`), wants.arch, sources)
  const said = await updateLists(apt, signal)
  const releases = await checkedReleases(apt, sources, wants, said, signal)
  const fundamental = await stanzasOf(releases, (_name, stanza) => isFundamental(stanza))
  const bootstrap = [...new Set([...fundamental.map(found => found.name), 'apt'])]
  const planned = new Map<string, DebName>()
  for (const set of wants.sets) {
    const names = [...(set.bootstrap ? bootstrap : []), ...set.packages]
    for (const deb of await closure(apt, set.what, [...new Set(names)], signal)) planned.set(debKey(deb), deb)
  }
  const chosen = await knownPackages(releases, planned)
  const debs = [...chosen.values()]
  meter.planned(debs.length)
  await fetchMissing(apt, debs, resolved, collecting)
  const dates = releases.map(release => release.date).filter(date => !Number.isNaN(date.getTime()))
  return { items: await withLicences(debs.map(itemOf), collecting), newest: dates.toSorted((a, b) => b.getTime() - a.getTime())[0] }
}

async function trustedSources(wants: AptWants): Promise<TrustedSource[]> {
  if (wants.sources !== 'machine') {
    for (const { signedBy } of wants.sources) {
      await access(signedBy).catch((failure: unknown) => {
        throw new DrydockError('DD-COLLECT-010', `expected the keyring ${signedBy}, found none that can be read`, 'put the archive key there; a source without a key is never used', { cause: failure })
      })
    }
    return wants.sources.flatMap(({ uri, suites, components, signedBy }) => suites.map(suite => ({ uri, suite, components, keyring: signedBy, dated: true })))
  }
  const all = await machineSources()
  const usable = all.filter(source => wants.suites.includes(source.suite) && mayBeDebian(source) && (source.architectures?.includes(wants.arch) ?? true))
  const missing = wants.suites[0]
  if (!usable.some(source => source.suite === missing)) {
    throw new DrydockError('DD-COLLECT-010', `expected an apt source of this machine for suite ${missing} with Debian's key, found ${[...new Set(all.map(source => source.suite))].join(', ') || 'none'}`, 'add the suite to /etc/apt/sources.list.d, or name sources in the collection file')
  }
  const joined = new Map<string, TrustedSource>()
  for (const { uri, suite, components } of usable) {
    const key = `${uri.replace(/\/*$/, '')} ${suite}`
    const before = joined.get(key)?.components ?? []
    joined.set(key, { uri, suite, components: [...new Set([...before, ...components])], keyring: DEBIAN_KEYRING })
  }
  return [...joined.values()].toSorted((a, b) => wants.suites.indexOf(a.suite) - wants.suites.indexOf(b.suite))
}

/** A machine's source of a wanted suite that somebody else signs is left out; the first suite, and any that was named outright, must be there. */
async function checkedReleases(apt: PrivateApt, sources: readonly TrustedSource[], wants: AptWants, said: string, signal: AbortSignal): Promise<VerifiedRelease[]> {
  const releases: VerifiedRelease[] = []
  for (const source of sources) {
    const about = aboutSource(said, source)
    // apt keeps the lists of last time when it cannot have new ones; a collect that says nothing of it would ship yesterday as today.
    const release = /Failed to fetch|(no longer|does not) ha(s|ve) a Release file|is expired|is not valid yet/.test(about) ? undefined : await verifiedRelease(apt.lists, source, wants.arch, signal)
    if (release !== undefined) releases.push(release)
    else if (wants.sources !== 'machine' || !/NO_PUBKEY/.test(about)) throw sourceFault(source.suite, source.uri, about === '' ? said : about)
  }
  const first = sources.find(source => !releases.some(release => release.suite === source.suite))
  if (first !== undefined) throw sourceFault(first.suite, first.uri, said)
  return releases
}

function aboutSource(said: string, source: TrustedSource): string {
  return said.split('\n').filter(line => line.includes(`${source.uri.replace(/\/*$/, '')} ${source.suite} `) || line.includes(`${source.uri.replace(/\/*$/, '')}/dists/${source.suite}/`)).join('\n')
}

async function stanzasOf(releases: readonly VerifiedRelease[], wanted: (name: string, stanza: string) => boolean): Promise<Known[]> {
  const all: Known[] = []
  for (const { suite, signedBy, packages } of releases) {
    for (const { component, path } of packages) all.push(...(await packageStanzas(path, wanted)).map(stanza => ({ ...stanza, suite, component, signedBy })))
  }
  return all
}

/** What apt planned, as the verified indexes describe it; the first suite wins when the same package stands in several. */
async function knownPackages(releases: readonly VerifiedRelease[], planned: ReadonlyMap<string, DebName>): Promise<Map<string, Known>> {
  const names = new Set([...planned.values()].map(deb => deb.name))
  const known = new Map<string, Known>()
  for (const found of await stanzasOf(releases, name => names.has(name))) {
    const key = debKey(found)
    if (planned.has(key) && !known.has(key)) known.set(key, found)
  }
  const lost = [...planned.keys()].find(key => !known.has(key))
  if (lost !== undefined) throw new DrydockError('DD-COLLECT-003', `expected ${lost} in a verified Packages file, found it only in apt's plan`, 'run the command again; an index changed while it was read')
  return known
}

function debKey(deb: DebName): string {
  return `${deb.name}=${deb.version}:${deb.architecture}`
}

/** Packages are adopted as soon as their batch is down, and at the next start from a run that was cut off. */
async function fetchMissing(apt: PrivateApt, debs: readonly Known[], resolved: () => void, collecting: Collecting): Promise<void> {
  const { workspace, meter } = collecting
  for (const left of (await readdir(apt.folder)).filter(name => name.startsWith(DOWNLOAD))) await adopt(join(apt.folder, left), debs, collecting)
  const missing: Known[] = []
  for (const deb of debs) {
    if ((await workspace.present(digestFromHex(deb.sha256))) === undefined) missing.push(deb)
    else meter.finished(1)
  }
  const coming = meter.coming()
  let left = missing.reduce((sum, { size }) => sum + size, 0)
  coming.left(left)
  resolved()
  const adopted = (taken: readonly Known[]): void => {
    left -= taken.reduce((sum, { size }) => sum + size, 0)
    coming.left(left)
    meter.finished(taken.length)
  }
  // Sizes alternate between batches, so that they end at about the same time.
  const bySize = missing.toSorted((a, b) => b.size - a.size)
  const count = Math.max(Math.min(PARALLEL_APT, bySize.length), Math.ceil(bySize.length / APT_BATCH))
  const batches = Array.from({ length: count }, (_, batch) => bySize.filter((_deb, index) => index % count === batch))
  const watch = setInterval(() => void bytesDownloading(apt.folder).then(meter.inFlight), PROGRESS_MS)
  try {
    await fetchBatches(apt, batches, adopted, collecting)
  } finally {
    clearInterval(watch)
    meter.inFlight(0)
    coming.end()
  }
}

async function fetchBatches(apt: PrivateApt, batches: readonly Known[][], adopted: (taken: readonly Known[]) => void, collecting: Collecting): Promise<void> {
  const atOnce = limiter(PARALLEL_APT)
  await allOrStop(collecting.signal, signal => batches.map(async (batch, index) => await atOnce(async () => {
    const folder = join(apt.folder, `${DOWNLOAD}${index}`)
    try {
      await downloadDebs(apt, batch, folder, signal)
    } finally {
      adopted(await adopt(folder, batch, collecting))
    }
    const wrong = await firstAbsent(batch, collecting)
    if (wrong !== undefined) throw mismatch(`${wrong.name} ${wrong.version} (deb)`, { algorithm: 'sha256', hex: wrong.sha256 }, 'other bytes')
  })))
}

async function bytesDownloading(folder: string): Promise<number> {
  let bytes = 0
  for (const name of (await readdir(folder)).filter(found => found.startsWith(DOWNLOAD))) {
    for (const file of await readdir(join(folder, name)).catch(() => [])) bytes += (await stat(join(folder, name, file)).catch(() => undefined))?.size ?? 0
  }
  return bytes
}

/** Takes over what is whole. A run that was cut off leaves pieces of files under their final names; those are dropped. */
async function adopt(folder: string, debs: readonly Known[], { workspace }: Collecting): Promise<Known[]> {
  const names = new Set(await readdir(folder).catch(() => []))
  const taken: Known[] = []
  for (const deb of debs) {
    const name = `${deb.name}_${deb.version.replaceAll(':', '%3a')}_${deb.architecture}.deb`
    const file = join(folder, name)
    if (!names.has(name) || (await stat(file)).size !== deb.size) continue
    try {
      await workspace.keep(name, createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, { algorithm: 'sha256', hex: deb.sha256 })
      taken.push(deb)
      await rm(file)
    } catch (failure) {
      if (!(failure instanceof DrydockError && failure.code === 'DD-COLLECT-004')) throw failure
    }
  }
  await rm(folder, { recursive: true, force: true })
  return taken
}

async function firstAbsent(debs: readonly Known[], { workspace }: Collecting): Promise<Known | undefined> {
  for (const deb of debs) if ((await workspace.present(digestFromHex(deb.sha256))) === undefined) return deb
  return undefined
}

function itemOf(deb: Known): Item {
  const { suite, component, architecture, control, filename } = deb
  const digest = digestFromHex(deb.sha256)
  return {
    kind: 'deb',
    name: deb.name,
    version: deb.version,
    variant: `${suite}/${architecture}`,
    metadata: { suite, component, architecture, control, filename },
    blobs: [{ name: filename.slice(filename.lastIndexOf('/') + 1), digest, size: deb.size }],
    source: purl('deb', ['debian', deb.name], deb.version, { arch: architecture, distro: suite }),
    upstream: { digest, signedBy: deb.signedBy },
  }
}
