import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { digestFromHex, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { printable } from '../../../appliance/core/printable.ts'
import type { Item } from '../../format/item.ts'
import { normalisedName } from '../../format/pypi-name.ts'
import type { Collecting } from '../collecting.ts'
import { fetchBlob } from '../fetch/fetch-blob.ts'
import { openHttp, type HttpClient } from '../fetch/http.ts'
import { allOrStop } from '../fetch/limiter.ts'
import { wheelLicences } from '../licences.ts'
import type { Coming } from '../progress.ts'
import { purl } from '../purl.ts'
import { mismatch } from '../expected.ts'
import { evaluateMarkers, findPip, resolveWheels, type ChosenWheel, type Pip, type Requirements } from './pip.ts'
import { requiredReleases } from './required-releases.ts'
import { refuseOtherSources, requirementLines } from './requirement-lines.ts'
import type { PythonTarget } from './targets.ts'
import { readUvLock, uvPins, type UvLock } from './uv-lock.ts'
import { wheelMetadata } from './wheel-metadata.ts'

export type PypiWants = {
  /** Each with what is wanted for it: the collection's own requirements, and what the roles of its architecture pin. */
  targets: readonly (PythonTarget & { requirements: readonly string[] })[]
  /** The collection's own. */
  requirements: readonly string[]
  requirementFiles: readonly string[]
  /** Folders with uv.lock, or such a file itself. */
  projects: readonly string[]
  allowYanked: boolean
}

/** All wheels of one release, as the mirror serves them: `files` and the blobs `X.whl` and `X.whl.metadata`. */
export async function collectPypi(wants: PypiWants, collecting: Collecting): Promise<Item[]> {
  const { signal, meter } = collecting
  const resolved = meter.resolving()
  refuseOtherSources(wants.requirements, 'pypi.requirements')
  for (const file of wants.requirementFiles) refuseOtherSources(await requirementLines(file), file)
  const pip = await findPip(collecting.environment, signal)
  const chosen = new Map<string, ChosenWheel>()
  const requires = new Map<string, Set<string>>()
  const locks = await Promise.all(wants.projects.map(uvLockOf))
  for (const target of wants.targets) {
    const inputs: Requirements[] = [
      ...requirementRounds(target.requirements).map(lines => ({ what: lines.join(', '), lines })),
      ...wants.requirementFiles.map(file => ({ what: file, file })),
    ]
    // One by one: what was chosen together requires each other.
    const resolutions: ChosenWheel[][] = []
    for (const input of inputs) resolutions.push(await resolveWheels(pip, target, input, signal))
    for (const lock of locks) resolutions.push(await lockedWheels(pip, target, lock, signal))
    for (const wheels of resolutions) {
      for (const wheel of wheels) chosen.set(wheel.sha256, wheel)
      for (const [sha256, releases] of await requiredReleases(pip, target, wheels, signal)) requires.set(sha256, new Set([...(requires.get(sha256) ?? []), ...releases]))
    }
  }
  const withdrawn = [...chosen.values()].find(({ yanked }) => yanked !== undefined)
  if (withdrawn !== undefined && !wants.allowYanked) {
    const { name, version, yanked = '' } = withdrawn
    throw new DrydockError('DD-COLLECT-018', `expected ${name} ${version} to be a release that stands, found it yanked by its authors${yanked === '' ? '' : `: ${printable(yanked)}`}`, 'pin another version, or say allowYanked: true under pypi when it is wanted all the same')
  }
  const http = openHttp(pip.http)
  try {
    meter.planned(chosen.size)
    const planned = [...chosen.values()].map(wheel => ({ wheel, coming: meter.coming(), required: [...(requires.get(wheel.sha256) ?? [])].toSorted() }))
    resolved()
    const items = await allOrStop(signal, each => planned.map(one => collecting.download(async () => await wheelItem(one, { ...collecting, signal: each }, http))))
    return joined(items)
  } finally {
    http.close()
  }
}

async function uvLockOf(project: string): Promise<UvLock> {
  const file = basename(project) === 'uv.lock' ? project : join(project, 'uv.lock')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DrydockError('DD-COLLECT-017', `expected uv.lock in ${project}, found none that can be read`, 'run `uv lock` there and commit the lock file', { cause })
  })
  return readUvLock(text, file)
}

/**
 * The wheels that a uv.lock means for a target: pip chooses by the target's tags, the lock's hashes decide. Only when pip's choice is
 * not among them (a wheel that came after the lock, or other bytes) pip is asked again with the hashes, for which it fetches everything.
 */
async function lockedWheels(pip: Pip, target: PythonTarget, lock: UvLock, signal: AbortSignal): Promise<ChosenWheel[]> {
  const pins = new Map(uvPins(lock, await evaluateMarkers(pip, target, lock.markers, signal)).map(pin => [`${pin.name}==${pin.version}`, pin]))
  const wheels: ChosenWheel[] = []
  for (const lines of requirementRounds([...pins.keys()])) {
    const isLocked = ({ name, version, sha256 }: ChosenWheel) => pins.get(`${name}==${version}`)?.hashes.includes(sha256) === true
    const first = await resolveWheels(pip, target, { what: lock.what, alone: true, lines }, signal)
    if (first.every(isLocked)) wheels.push(...first)
    else {
      const hashed = lines.map(line => `${line} ${pins.get(line)!.hashes.map(hash => `--hash=sha256:${hash}`).join(' ')}`)
      wheels.push(...(await resolveWheels(pip, target, { what: lock.what, alone: true, lines: hashed }, signal)))
    }
  }
  return wheels
}

/** Two pins of one name cannot stand in one resolution: the second opens a round of its own, and so on. */
export function requirementRounds(requirements: readonly string[]): string[][] {
  const rounds: { names: Set<string>; lines: string[] }[] = []
  for (const line of new Set(requirements)) {
    const name = normalisedName(/^[A-Za-z0-9._-]+/.exec(line)?.[0] ?? line)
    const round = rounds.find(candidate => !candidate.names.has(name))
    if (round === undefined) rounds.push({ names: new Set([name]), lines: [line] })
    else {
      round.names.add(name)
      round.lines.push(line)
    }
  }
  return rounds.map(round => round.lines)
}

async function wheelItem({ wheel, coming, required }: { wheel: ChosenWheel; coming: Coming; required: readonly string[] }, { workspace, meter, signal, pinned }: Collecting, http: HttpClient): Promise<Item> {
  const filename = decodeURIComponent(new URL(wheel.url).pathname.split('/').at(-1) ?? '')
  const what = `${filename} (pypi)`
  const digest = digestFromHex(wheel.sha256)
  const former = pinned(`pypi:${wheel.name}@${wheel.version}`)?.blobs.find(blob => blob.name === filename)
  if (former !== undefined && former.digest !== digest) throw mismatch(what, { algorithm: 'sha256', hex: hexOf(former.digest), by: 'the former lock.json of this workspace' }, wheel.sha256, 'the index')
  const size = (await workspace.present(digest))
    ?? (await fetchBlob(http, { url: wheel.url.replace(/#.*$/, ''), what, signal, coming, expected: { algorithm: 'sha256', hex: wheel.sha256, by: 'the index' } }, workspace)).size
  coming.end()
  const text = await wheelMetadata(workspace.blobPath(digest), what)
  const metadata = await workspace.put(text)
  const header = text.toString('utf8').split(/\r?\n\r?\n/, 1)[0] ?? ''
  const field = (name: string) => new RegExp(`^${name}: (.+)$`, 'mi').exec(header)?.[1]?.trim()
  const requiresPython = field('Requires-Python')
  meter.finished(1)
  return {
    kind: 'pypi',
    name: wheel.name,
    version: wheel.version,
    metadata: { files: [{ filename, ...(requiresPython === undefined ? {} : { requiresPython }), metadata: `${filename}.metadata`, ...(wheel.yanked === undefined ? {} : { yanked: wheel.yanked === '' ? true : wheel.yanked }) }], requires: required },
    blobs: [{ name: filename, digest, size }, { name: `${filename}.metadata`, ...metadata }],
    source: purl('pypi', [wheel.name], wheel.version),
    upstream: { digest },
    ...wheelLicences(header),
  }
}

/** One item a release, its files in name order. `upstream` names one digest, so it stays only with releases of one file. */
function joined(items: readonly Item[]): Item[] {
  const releases = new Map<string, Item>()
  for (const item of items.toSorted((a, b) => (a.blobs[0]!.name < b.blobs[0]!.name ? -1 : 1))) {
    const key = `${item.name}@${item.version}`
    const before = releases.get(key)
    if (before === undefined) releases.set(key, item)
    else {
      const { upstream: _one, ...rest } = before
      releases.set(key, { ...rest, metadata: { files: [...(before.metadata['files'] as object[]), ...(item.metadata['files'] as object[])], requires: [...new Set([...(before.metadata['requires'] as string[]), ...(item.metadata['requires'] as string[])])].toSorted() }, blobs: [...before.blobs, ...item.blobs] })
    }
  }
  return [...releases.values()]
}
