import { createHash } from 'node:crypto'
import { digestOf } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import { normalisedName } from '../../bundles/format/pypi-name.ts'
import { itemFault, shown } from '../store/item-fault.ts'
import { zipContent, zipEntries, ZipFault, type ZipEntry } from './zip.ts'

/** METADATA and RECORD are read whole; larger ones are refused, bytes. */
const DOCUMENT_BYTES = 32 * 1024 * 1024
/** What a wheel may unfold to, bytes: entries that lie over each other could promise 281 TB in 46 MB, and every one of them is hashed. */
const UNPACKED_BYTES = 8 * 1024 ** 3
/** Signatures of RECORD, which RECORD cannot list. */
const UNLISTED = /\.dist-info\/RECORD(\.jws|\.p7s)?$/

/**
 * A wheel by the binary distribution format: every name stays inside, one METADATA of the item's name and version and equal to the one that
 * is served beside it (PEP 658), and every file is what RECORD says.
 * @throws DD-MIRROR-004 naming the item and the file
 */
export async function validateWheel(item: Item, path: string, filename: string, metadataDigest: string | undefined): Promise<void> {
  const refuse = (expected: string, found: string): never => {
    throw itemFault(item, `${expected} in ${shown(filename)}`, found)
  }
  const entries = await zipEntries(path)
  if (entries instanceof ZipFault) return refuse('a wheel', entries.found)
  const byName = new Map(entries.map(entry => [entry.name, entry]))
  if (byName.size !== entries.length) refuse('each name once', 'one that stands twice')
  const unpacked = entries.reduce((sum, entry) => sum + entry.size, 0)
  if (unpacked > UNPACKED_BYTES) refuse(`at most ${UNPACKED_BYTES} bytes`, `${unpacked}`)
  const outward = entries.find(entry => !staysInside(entry.name))
  if (outward !== undefined) refuse('names that stay inside', shown(outward.name))

  const only = (file: string): ZipEntry => {
    const found = entries.filter(entry => new RegExp(`^[^/]+\\.dist-info/${file}$`).test(entry.name))
    return found.length === 1 ? found[0]! : refuse(`one .dist-info/${file}`, String(found.length))
  }
  const document = async (entry: ZipEntry): Promise<Buffer> => {
    if (entry.size > DOCUMENT_BYTES) refuse(`at most ${DOCUMENT_BYTES} bytes in ${entry.name}`, `${entry.size}`)
    const chunks: Buffer[] = []
    const fault = await eachChunk(path, entry, chunk => chunks.push(chunk))
    return fault === undefined ? Buffer.concat(chunks) : refuse('a whole file', fault.found)
  }
  const metadata = await document(only('METADATA'))
  if (metadataDigest !== undefined && digestOf(metadata) !== metadataDigest) refuse('the METADATA that is served beside it', digestOf(metadata))
  const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*?)\\r?$`, 'im').exec(metadata.toString('utf8').split(/\r?\n\r?\n/, 1)[0] ?? '')?.[1] ?? ''
  if (normalisedName(field('Name')) !== normalisedName(item.name)) refuse(`METADATA of ${item.name}`, shown(field('Name')))
  if (comparableVersion(field('Version')) !== comparableVersion(item.version)) refuse(`METADATA of version ${item.version}`, shown(field('Version')))

  const record = parseRecord((await document(only('RECORD'))).toString('utf8'), byName)
  for (const entry of entries) {
    if (entry.name.endsWith('/') || UNLISTED.test(entry.name)) continue
    const [algorithm = '', wanted = ''] = (record.get(entry.name) ?? '').split('=')
    if (!['sha256', 'sha384', 'sha512'].includes(algorithm)) refuse(`${shown(entry.name)} in RECORD with a SHA-2 hash`, shown(record.get(entry.name)))
    const hash = createHash(algorithm)
    const fault = await eachChunk(path, entry, chunk => hash.update(chunk))
    if (fault !== undefined) refuse('whole files', fault.found)
    const found = hash.digest('base64url')
    if (found !== wanted) refuse(`${shown(entry.name)} with the hash of RECORD (${shown(wanted)})`, found)
  }
}

async function eachChunk(path: string, entry: ZipEntry, use: (chunk: Buffer) => void): Promise<ZipFault | undefined> {
  const content = zipContent(path, entry)
  for (let step = await content.next(); ; step = await content.next()) {
    if (step.done === true) return step.value
    use(step.value)
  }
}

function staysInside(name: string): boolean {
  return name !== '' && !name.startsWith('/') && !/[\p{Cc}\\]/u.test(name) && !/^[A-Za-z]:/.test(name) && !name.replace(/\/$/, '').split('/').some(part => part === '' || part === '.' || part === '..')
}

/** PEP 440 spells one version in several ways; enough of its normalisation to compare a file's with an item's. */
function comparableVersion(version: string): string {
  return version.trim().toLowerCase().replace(/^v/, '').replaceAll(/[-_]/g, '.').replaceAll(/\.0+(?=\d)/g, '.')
}

/** `path,algorithm=hash,size` lines of CSV, those of files that are there; a quoted path may hold commas. Millions of other lines cost no memory. */
function parseRecord(text: string, files: ReadonlyMap<string, unknown>): Map<string, string> {
  const rows = new Map<string, string>()
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start)
    const line = text.slice(start, end === -1 ? text.length : end)
    start = end === -1 ? text.length : end + 1
    const match = /^(?:"((?:[^"]|"")*)"|([^,]*)),([^,]*),/.exec(line)
    const path = match?.[1]?.replaceAll('""', '"') ?? match?.[2] ?? ''
    if (files.has(path)) rows.set(path, match?.[3] ?? '')
  }
  return rows
}
