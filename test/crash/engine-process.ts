/**
 * One import, with the real engine, journal, store, marks and confined unpacker, in a process of its own that follows it as two people would,
 * whatever state it finds: submit (again), go on, approve, reject what is quarantined, resume what failed.
 *
 *     node engine-process.ts FOLDER upload|path VOLUME …
 *
 * Under a parent with IPC it stops at every instant of the journal until the parent says to go on.
 */
import { once } from 'node:events'
import { createReadStream, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { asDrydockError } from '../../appliance/core/error.ts'
import { parsePublicKey, secretKeySigner, verifyDetached } from '../../bundles/openpgp/index.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import type { JournalRecord } from '../../appliance/operations/engine.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import { filesFormat } from '../../mirror/files/format.ts'
import { npmFormat } from '../../mirror/npm/format.ts'
import { pypiFormat } from '../../mirror/pypi/format.ts'
import { openSite } from '../support/import-site.ts'
import type { Ending } from './world.ts'
import type { Said } from './write-log.ts'

const [folder = '', way = '', ...volumes] = process.argv.slice(2)
const { trust, secret, publicKey } = JSON.parse(readFileSync(join(folder, 'people.json'), 'utf8')) as { trust: Trust; secret: string; publicKey: string }
const signer = await secretKeySigner({ armored: secret, what: 'appliance', clock: { now: () => new Date() } })
const appliance = { name: 'appliance', secret, public: publicKey, revocation: '', key: await parsePublicKey(publicKey, 'appliance'), signer }
/** Everything stands still meanwhile, as in the instant in which the power goes. */
async function hold({ operation, name, phase }: JournalRecord, when: string): Promise<void> {
  if (process.send === undefined || !process.connected) return
  process.send({ text: `${when} ${phase} of ${name}`, ...(phase === 'result' && when === 'after' ? { result: `${operation} ${name}` } : {}) } satisfies Said)
  await once(process, 'message')
}

const site = await openSite({ teardown: () => undefined }, { trust, folder, appliance, ...(process.connected ? { onJournal: hold } : {}), formats: [npmFormat({ publicUrl: 'https://drydock.example:8443' }), pypiFormat(), filesFormat()] })
process.stdout.write('ready\n')

try {
  for (const path of volumes) {
    const request = { actor: 'olga', idempotencyKey: basename(path) }
    if (way === 'upload') await site.imports.submitStream(createReadStream(path), basename(path), request)
    else site.imports.submitPath(path, request)
  }
  process.stdout.write(`${JSON.stringify(await followed())}\n`)
} catch (failure) {
  process.stdout.write(`${JSON.stringify({ error: asDrydockError(failure) })}\n`)
}
await site.close()
process.disconnect?.()

/** To its end, and what can be known of that end only here. A set has one record when all volumes have joined. */
async function followed(): Promise<Ending> {
  for (let resumed = 0; ; ) {
    for (const { id } of site.operations.list()) await site.operations.settled(id)
    // Each volume of a set is an import of its own until it has joined.
    const records = site.imports.list().filter(({ sequence }) => sequence !== 1)
    const record = records.find(({ state }) => state === 'failed') ?? records[0]!
    const { id, state, operation, error } = record
    const settled = await site.operations.settled(operation)
    const now = site.imports.get(id)
    if (now.operation !== operation || now.state !== state) continue
    if (state === 'verified') await site.imports.proceed(id, 'olga')
    else if (state === 'awaiting-approval') await site.imports.approve(id, 'anton')
    else if (state === 'quarantined') await site.imports.reject(id, record.preflight?.findings.map(({ text }) => text).join('; ') ?? '', 'anton')
    else if (state === 'failed' && resumed++ < volumes.length) site.imports.resume(id, { actor: 'olga', idempotencyKey: crypto.randomUUID() })
    else {
      const receipt = state === 'imported' ? await receiptOf(id) : null
      return { state, error: error ?? settled.error, receipt, promotions: site.events().filter(({ type, subject }) => type === 'import.promoted' && subject === 'import:2').length, audit: null }
    }
  }
}

/** The digest of what it lists, when the appliance's signature over it holds. */
async function receiptOf(id: string): Promise<string> {
  const { receipt, signature } = site.imports.receipt(id)
  const { signatures } = await verifyDetached(Buffer.from(receipt), signature, [appliance.key], new Date())
  return signatures.length === 1 ? String((JSON.parse(receipt) as Receipt).inventoryDigest) : 'not signed'
}
