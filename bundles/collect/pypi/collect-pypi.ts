import { digestFromHex } from '../../../appliance/core/digest.ts'
import type { Item } from '../../format/item.ts'
import { normalisedName } from '../../format/pypi-name.ts'
import type { Collecting } from '../collecting.ts'
import { openHttp, type HttpClient } from '../fetch/http.ts'
import { allOrStop } from '../fetch/limiter.ts'
import { purl } from '../purl.ts'
import { findPip, resolveWheels, type ChosenWheel, type PythonTarget } from './pip.ts'
import { wheelMetadata } from './wheel-metadata.ts'

export type PypiWants = PythonTarget & { requirements: readonly string[]; requirementFiles: readonly string[] }

/** All wheels of one release, as the mirror serves them: `files` and the blobs `X.whl` and `X.whl.metadata`. */
export async function collectPypi(wants: PypiWants, collecting: Collecting): Promise<Item[]> {
  const { signal } = collecting
  const pip = await findPip(collecting.environment, signal)
  const chosen = new Map<string, ChosenWheel>()
  for (const input of [...requirementRounds(wants.requirements).map(lines => ({ lines })), ...wants.requirementFiles.map(file => ({ file }))]) {
    for (const wheel of await resolveWheels(pip, wants, input, signal)) chosen.set(wheel.sha256, wheel)
  }
  const http = openHttp(pip.http)
  try {
    collecting.meter.planned(chosen.size)
    const items = await allOrStop(signal, each => [...chosen.values()].map(wheel => collecting.download(async () => await wheelItem(wheel, { ...collecting, signal: each }, http))))
    return joined(items)
  } finally {
    http.close()
  }
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

async function wheelItem(wheel: ChosenWheel, { workspace, meter, signal }: Collecting, http: HttpClient): Promise<Item> {
  const filename = decodeURIComponent(new URL(wheel.url).pathname.split('/').at(-1) ?? '')
  const what = `${filename} (pypi)`
  const digest = digestFromHex(wheel.sha256)
  const size = (await workspace.present(digest))
    ?? (await http.read({ url: wheel.url.replace(/#.*$/, ''), what, signal }, async body => await workspace.keep(what, body, { algorithm: 'sha256', hex: wheel.sha256 }))).size
  const text = await wheelMetadata(workspace.blobPath(digest), what)
  const metadata = await workspace.put(text)
  const header = text.toString('utf8').split(/\r?\n\r?\n/, 1)[0] ?? ''
  const field = (name: string) => new RegExp(`^${name}: (.+)$`, 'mi').exec(header)?.[1]?.trim()
  const requiresPython = field('Requires-Python')
  const licence = field('License-Expression') ?? field('License')
  meter.finished(1)
  return {
    kind: 'pypi',
    name: wheel.name,
    version: wheel.version,
    metadata: { files: [{ filename, ...(requiresPython === undefined ? {} : { requiresPython }), metadata: `${filename}.metadata` }] },
    blobs: [{ name: filename, digest, size }, { name: `${filename}.metadata`, ...metadata }],
    source: purl('pypi', [wheel.name], wheel.version),
    upstream: { digest },
    ...(licence === undefined ? {} : { licences: [licence.slice(0, 512)] }),
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
      releases.set(key, { ...rest, metadata: { files: [...(before.metadata['files'] as object[]), ...(item.metadata['files'] as object[])] }, blobs: [...before.blobs, ...item.blobs] })
    }
  }
  return [...releases.values()]
}
