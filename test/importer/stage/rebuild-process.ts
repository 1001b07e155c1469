/**
 * One import of a set with lost volumes, in a process of its own, which kills itself the first time that it sees a trace of rebuilding that
 * no process before it was killed at: a parity shard, a volume file that is being written, one that has its name, and all of them gone again.
 *
 *     node rebuild-process.ts FOLDER VOLUME,VOLUME,…
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isErrno } from '../../../appliance/core/error.ts'
import { parsePublicKey, secretKeySigner } from '../../../bundles/openpgp/index.ts'
import type { Trust } from '../../../bundles/format/trust.ts'
import { openSite } from '../../support/import-site.ts'

const [folder = '', volumes = ''] = process.argv.slice(2)
const { trust, secret, publicKey } = JSON.parse(readFileSync(join(folder, 'people.json'), 'utf8')) as { trust: Trust; secret: string; publicKey: string }
const signer = await secretKeySigner({ armored: secret, what: 'appliance', clock: { now: () => new Date() } })
const appliance = { name: 'appliance', secret, public: publicKey, revocation: '', key: await parsePublicKey(publicKey, 'appliance'), signer }
const site = await openSite({ teardown: () => undefined }, { trust, folder, appliance })

const hitsFile = join(folder, 'hits')
const hits = new Set(existsSync(hitsFile) ? readFileSync(hitsFile, 'utf8').split('\n') : [])
let made = false
let watching = true

function traces(): string[] {
  const staged = join(folder, 'staging')
  const inside = readdirSync(staged).flatMap(id => ['parity', 'rebuilt'].flatMap(part => namesIn(join(staged, id, part)).map(name => `${part}/${name}`)))
  const found = inside.map(name => (name.startsWith('parity/') ? 'a parity shard' : name.startsWith('rebuilt/.') ? 'a volume that is written' : 'a volume that has its name'))
  made ||= found.includes('a volume that has its name')
  return made && !found.some(what => what.startsWith('a volume')) ? ['all staged'] : found
}

/** A folder may go in the moment in which it is looked at. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return []
    throw failure
  }
}

/** At every turn of the event loop: rebuilding has many of them. */
function look(): void {
  const fresh = traces().find(trace => !hits.has(trace))
  if (fresh !== undefined) {
    appendFileSync(hitsFile, `${fresh}\n`)
    process.kill(process.pid, 'SIGKILL')
  }
  if (watching) setImmediate(look)
}
look()

for (const [k, path] of volumes.split(',').entries()) site.imports.submitPath(path, { actor: 'olga', idempotencyKey: `volume ${k}` })
for (;;) {
  for (const { id } of site.operations.list()) if (id !== site.imports.list().at(-1)!.operation) await site.operations.settled(id)
  const record = site.imports.list().at(-1)!
  const operation = await site.operations.settled(record.operation)
  const { state } = site.imports.get(record.id)
  if (state === 'verified') await site.imports.proceed(record.id, 'olga')
  else if (state === 'awaiting-approval') await site.imports.approve(record.id, 'anton')
  else {
    process.stdout.write(`${JSON.stringify({ operation: operation.state, state, error: operation.error })}\n`)
    break
  }
}
watching = false
await site.close()
