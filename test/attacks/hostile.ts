import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { checkVolume } from '../../bundles/build/index.ts'
import { END_OF_ARCHIVE, headerOf, padding } from '../../bundles/archive/index.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { encodeIndex, type Index } from '../../bundles/format/index-file.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { armorSignatures, dearmorSignatures } from '../../bundles/openpgp/index.ts'
import { openPlainFile } from '../../importer/unpack/index.ts'
import { bundleOf, person, trustOf, type BundleSpec, type Person } from '../support/bundles.ts'
import { openSite, type Site } from '../support/import-site.ts'

/** One entry as it stands in a volume: any 512 bytes, then any bytes. */
export type RawEntry = { header: Buffer; body: Buffer }

export const entry = (name: string, body: Uint8Array | string): RawEntry => ({ header: headerOf({ name, size: Buffer.byteLength(body) }), body: Buffer.from(body) })

export function split(volume: Buffer): RawEntry[] {
  const entries: RawEntry[] = []
  for (let at = 0; volume[at] !== 0; ) {
    const header = volume.subarray(at, at + 512)
    const size = Number.parseInt(header.toString('latin1', 124, 135), 8)
    entries.push({ header, body: volume.subarray(at + 512, at + 512 + size) })
    at += 512 + size + padding(size)
  }
  return entries
}

export function joined(entries: readonly RawEntry[], end: Uint8Array = END_OF_ARCHIVE): Buffer {
  return Buffer.concat([...entries.flatMap(({ header, body }) => [header, body, Buffer.alloc(padding(body.length))]), end])
}

export const nameOf = ({ header }: RawEntry): string => header.toString('latin1', 0, header.indexOf(0))

/** A canonical header with any of its fields replaced, and a right checksum: everything that a canonical one never says. */
export function rawHeader(fields: { name: string; size?: number | string; type?: string; link?: string; mode?: string; magic?: string; prefix?: string; uid?: string; devmajor?: string }): Buffer {
  const block = headerOf({ name: '', size: typeof fields.size === 'number' ? fields.size : 0 })
  const put = (text: string | undefined, at: number, length: number): void => {
    if (text === undefined) return
    block.fill(0, at, at + length)
    block.write(text, at, length, Buffer.from(text, 'latin1').toString('latin1') === text ? 'latin1' : 'utf8')
  }
  put(fields.name, 0, 100)
  put(fields.mode, 100, 8)
  put(fields.uid, 108, 8)
  if (typeof fields.size === 'string') put(fields.size, 124, 12)
  put(fields.type, 156, 1)
  put(fields.link, 157, 100)
  put(fields.magic, 257, 8)
  put(fields.devmajor, 329, 8)
  put(fields.prefix, 345, 155)
  return checksummed(block)
}

export function checksummed(block: Buffer): Buffer {
  block.fill(' ', 148, 156)
  block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1')
  return block
}

/** PAX records, each with its own length in front (pax(1)). */
export function pax(records: Record<string, string>, type: 'x' | 'g' = 'x'): RawEntry {
  const body = Buffer.from(Object.entries(records).map(([key, value]) => paxRecord(`${key}=${value}`)).join(''))
  return { header: rawHeader({ name: 'PaxHeader/x', size: body.length, type }), body }
}

function paxRecord(text: string): string {
  let length = Buffer.byteLength(text) + 3
  while (`${length} ${text}\n`.length !== length) length = `${length} ${text}\n`.length
  return `${length} ${text}\n`
}

export type World = { ana: Person; jon: Person; eve: Person; signers: Signer[]; site: Site; folder: string; good(spec?: Partial<BundleSpec>): Promise<{ file: string; entries: RawEntry[]; manifest: Manifest }> }

/** Most tricks change how long a volume is, which would be told before the reader meets them: here no length is known, as with a pipe. */
export async function withoutSize(source: string): ReturnType<typeof openPlainFile> {
  const { size: _size, ...media } = await openPlainFile(source)
  return media
}

/** A site that trusts Ana and Jon, two of two; nobody trusts Eve. */
export async function world(t: Test, options: Partial<Parameters<typeof openSite>[1]> = {}): Promise<World> {
  const [ana, jon, eve] = await Promise.all([person('Ana Ruiz'), person('Jon Berg'), person('Eve')])
  t.setTimeout(240_000)
  const site = await openSite(t, { trust: trustOf([ana, jon]), openMedia: withoutSize, ...options })
  const folder = t.testdir()
  let built = 0
  return {
    ana, jon, eve, signers: [ana.signer, jon.signer], site, folder,
    async good(spec = {}) {
      const { file, manifest } = await bundleOf({ folder: join(folder, `good-${++built}`), signers: [ana.signer, jon.signer], ...spec })
      return { file, manifest, entries: split(readFileSync(file)) }
    },
  }
}

/** The same entries with another manifest, and signatures over it by these people. */
export async function sealed(entries: readonly RawEntry[], manifest: unknown, signers: readonly Signer[]): Promise<RawEntry[]> {
  const bytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(typeof manifest === 'string' ? manifest : canonicalJson(manifest))
  return [entry('manifest.json', bytes), entry('manifest.json.asc', await signatures(bytes, signers)), ...entries.slice(2)]
}

/** A bundle whose index says anything at all, signed by the right people: what a stolen build machine could make. */
export async function sealedIndex(entries: readonly RawEntry[], manifest: Manifest, index: Index, signers: readonly Signer[], change: (manifest: Manifest) => Manifest = same => same): Promise<RawEntry[]> {
  const parts = encodeIndex(index)
  const bytes = index.entries.reduce((sum, { size }) => sum + size, 0)
  const items: Record<string, number> = {}
  for (const item of index.items) items[item.kind] = (items[item.kind] ?? 0) + 1
  const next = change({ ...manifest, index: parts.map(({ part }) => part), volumes: [{ firstEntry: 0, entries: index.entries.length, payloadSize: bytes }], totals: { entries: index.entries.length, bytes, items } })
  const payload = entries.filter(each => nameOf(each).startsWith('blobs/'))
  return await sealed([entries[0]!, entries[1]!, ...parts.map(({ part, bytes: content }) => entry(part.name, content)), ...payload], next, signers)
}

export async function signatures(bytes: Uint8Array, signers: readonly Signer[]): Promise<string> {
  const blocks: Uint8Array[] = []
  for (const signer of signers) blocks.push(...dearmorSignatures(await signer.sign(bytes)))
  return blocks.length === 0 ? '' : armorSignatures(blocks)
}

let hostile = 0

/** Imports it as far as it goes: it must end with this code, and nothing outside its own staging folder may have changed. */
export async function refused(t: Test, { site, folder }: World, volume: Buffer, code: ErrorCode, why: string): Promise<void> {
  const path = join(folder, `hostile-${++hostile}.drydock`)
  writeFileSync(path, volume)
  const before = site.fingerprint()
  const record = await site.importBundle(path)
  t.equal(record.error?.code, code, `${why}: ${record.error?.message}`)
  t.ok(record.state === 'refused' || record.state === 'failed', `${why}: ends ${record.state}`)
  t.equal(site.fingerprint(), before, `${why}: nothing else changed`)
}

/** The strict reader alone, without an appliance around it: the same code, hundreds of times faster. */
export async function unread(t: Test, { folder }: World, volume: Buffer, code: ErrorCode, why: string): Promise<void> {
  const path = join(folder, `hostile-${++hostile}.drydock`)
  writeFileSync(path, volume)
  await t.rejects(checkVolume(path), { code }, why)
}

/** After all of it: the next good bundle comes in. */
export async function stillImports(t: Test, { site, good }: World, spec: Partial<BundleSpec> = {}): Promise<void> {
  const record = await site.importBundle((await good(spec)).file)
  t.match(record, { state: 'imported' }, `the next good bundle imports (${record.error?.message ?? ''})`)
}
