import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { hexOf, parseDigest } from '../../../appliance/core/digest.ts'
import { ensureFolder, writeDurably } from '../../../appliance/core/durable-file.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { checkShape } from '../../format/check.ts'
import type { Item } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import { allOrStop, limiter } from '../fetch/limiter.ts'
import { allOrClaims } from '../licences.ts'
import { COPYRIGHT_BYTES, PARALLEL_UNPACK } from '../limits.ts'

/** What a .deb says of its licences: the short names of a machine-readable copyright file, or the package whose documentation it shares. */
const Said = Type.Object({ names: Type.Array(Type.String()), sameAs: Type.Optional(Type.String()) })
type Said = Type.Static<typeof Said>

/**
 * Adds what each .deb's own copyright file says, when that is machine-readable (DEP-5). Debian's short names (`GPL-2+`, `Expat`) are
 * mostly no SPDX, and stay claims. Taken out once for each file: unpacking costs seconds, the answer is in its bytes.
 */
export async function withLicences(items: readonly Item[], collecting: Collecting): Promise<Item[]> {
  const cache = await collecting.workspace.cacheFolder('copyright')
  await ensureFolder(cache)
  const atOnce = limiter(PARALLEL_UNPACK)
  const said = await allOrStop(collecting.signal, signal => items.map(item => atOnce(async () => await saidBy(item, cache, { ...collecting, signal }))))
  const byName = new Map(items.map((item, index) => [item.name, said[index]!]))
  return items.map((item, index) => {
    const { names, sameAs } = said[index]!
    return { ...item, ...allOrClaims(sameAs === undefined ? names : (byName.get(sameAs)?.names ?? [])) }
  })
}

async function saidBy(item: Item, cache: string, { workspace, signal }: Collecting): Promise<Said> {
  const digest = parseDigest(item.blobs[0]!.digest)
  const file = join(cache, `${hexOf(digest)}.json`)
  const known = await readFile(file, 'utf8').then(text => checkShape(Said, JSON.parse(text), file), () => undefined)
  if (known !== undefined) return known
  const fresh = await takenOut(workspace.blobPath(digest), item.name, signal)
  await writeDurably(file, JSON.stringify(fresh))
  return fresh
}

async function takenOut(deb: string, name: string, signal: AbortSignal): Promise<Said> {
  const place = `./usr/share/doc/${name}`
  // tar ends at the file; what dpkg-deb then says about its broken pipe is of no interest.
  const fromTar = async (...args: string[]) =>
    (await runProgram('sh', { args: ['-c', 'deb=$1; shift; dpkg-deb --fsys-tarfile "$deb" 2>/dev/null | tar "$@"', 'sh', deb, ...args], signal, accept: [0, 2], maxOutput: COPYRIGHT_BYTES })).stdout.toString('utf8')
  const copyright = await fromTar('-xO', '--occurrence=1', '-f', '-', `${place}/copyright`)
  if (copyright !== '') return { names: shortNames(copyright) }
  const sameAs = / -> (?:\.\/)?([a-z0-9][a-z0-9+.-]*)\/?$/m.exec(await fromTar('-tv', '--occurrence=1', '-f', '-', place))?.[1]
  return { names: [], ...(sameAs === undefined ? {} : { sameAs }) }
}

/** First lines of `License:` (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/), each once. */
export function shortNames(copyright: string): string[] {
  if (!/^Format(-Specification)?:/m.test(copyright.slice(0, 4096))) return []
  return [...new Set([...copyright.matchAll(/^License:[ \t]*(\S.*)$/gm)].map(match => match[1]!.trim().replace(/\s+/g, ' ')))].toSorted((a, b) => (a < b ? -1 : 1))
}
