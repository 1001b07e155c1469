import { createReadStream } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { DATABASE_NAME, DEFINITION_FILES, DEFINITIONS, definitionsVersion } from '../../format/definitions.ts'
import type { Item } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import { purl } from '../purl.ts'

export type ClamavWant = { path: string; built?: string | undefined }

/**
 * Virus definitions as one item: every database in a folder (freshclam's /var/lib/clamav, or the site's own). Their age is what an approver
 * sees inside, so it comes from what ClamAV signed, the build time in the head of a container; loose databases have none and need `built`.
 */
export async function collectClamav(want: ClamavWant, { workspace, meter, signal }: Collecting): Promise<Item> {
  const names = await readdir(want.path).catch((cause: unknown) => {
    throw new DrydockError('DD-COLLECT-011', `expected a folder with virus definitions at ${want.path}, found none`, 'correct the path in the collection file; it is relative to that file', { cause })
  })
  const databases = names.filter(name => DATABASE_NAME.test(name)).toSorted()
  if (databases.length === 0 || databases.length > DEFINITION_FILES) throw new DrydockError('DD-COLLECT-011', `expected 1 to ${DEFINITION_FILES} databases (main.cvd, daily.cvd, *.hdb …) in ${want.path}, found ${databases.length}`, 'run freshclam, or name the folder that it fills')
  meter.planned(databases.length)
  const blobs: Item['blobs'] = []
  const times: string[] = []
  for (const name of databases) {
    signal.throwIfAborted()
    const file = join(want.path, name)
    if (!(await lstat(file)).isFile()) throw new DrydockError('DD-COLLECT-011', `expected ${file} to be a plain file, found something else`, 'put the database itself there: links and devices do not travel')
    const time = await buildTime(file)
    if (time !== undefined) times.push(time)
    const known = await digestOfFile(file)
    const kept = (await workspace.present(known.digest)) === undefined
      ? await workspace.keep(name, createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, { algorithm: 'sha256', hex: hexOf(known.digest) })
      : known
    blobs.push({ name, ...kept })
    meter.finished(1)
  }
  const built = want.built ?? times.toSorted().at(-1)
  if (built === undefined) throw new DrydockError('DD-COLLECT-019', `expected a container with its build time (daily.cvd) among the virus definitions in ${want.path}, found only loose databases`, 'say how new they are: `built: 2026-11-20T00:00:00Z` beside `path`')
  const version = definitionsVersion(built)
  return { ...DEFINITIONS, version, metadata: { built }, blobs, source: purl('generic', ['clamav-definitions'], version) }
}

/** `ClamAV-VDB:16 Sep 2026 08-32 -0400:62:…`, the first 512 bytes of a container (ClamAV, libclamav/cvd.c). */
const HEAD_BYTES = 512
const HEAD = /^ClamAV-VDB:(\d{1,2} [A-Z][a-z]{2} \d{4}) (\d{2})-(\d{2}) ([+-]\d{4}):/

async function buildTime(path: string): Promise<string | undefined> {
  const file = await open(path, 'r')
  try {
    const head = Buffer.alloc(HEAD_BYTES)
    await file.read(head, 0, HEAD_BYTES, 0)
    const [, day, hour, minute, zone] = HEAD.exec(head.toString('latin1')) ?? []
    const time = day === undefined ? Number.NaN : Date.parse(`${day} ${hour}:${minute}:00 ${zone}`)
    return Number.isNaN(time) ? undefined : `${new Date(time).toISOString().slice(0, 19)}Z`
  } finally {
    await file.close()
  }
}
