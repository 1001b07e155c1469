import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { digestOf } from '../../appliance/core/digest.ts'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { LAUNCHER } from '../appliance/cli/run-drydock.ts'
import { RealSite } from '../scenarios/real-site.ts'
import { person, trustOf } from '../support/bundles.ts'
import { makeBundles } from './bundles.ts'
import { followingAs, LOOK_MS } from './following.ts'
import { launch, type Launched } from './launch.ts'
import { personOf } from './person.ts'

/** An initialised appliance with people and its first bundle imported, and second ones to bring; stopped. */
export type UpSite = Awaited<ReturnType<typeof upSite>>

/** @param data and marks: where they are to lie, when not in the site's own folder */
export async function upSite(data?: string, marks?: string) {
  const closing: (() => unknown)[] = []
  const site = new RealSite({ teardown: (close: () => unknown) => void closing.push(close) } as ConstructorParameters<typeof RealSite>[0], data, marks)
  await site.plan()
  const [ana, jon] = await Promise.all([person('Ana'), person('Jon')])
  writeFileSync(site.trust, JSON.stringify(trustOf([ana, jon])))
  await site.init()
  await site.up()
  await site.people()
  const [olga, paul] = [personOf(join(site.folder, 'people', 'olga.json')), personOf(join(site.folder, 'people', 'paul.json'))]
  const following = await followingAs({ olga, paul, applianceKey: join(site.data, 'pki/appliance.pub') })

  /** The real `drydock up`, on real ports. */
  const start = (more: Partial<Parameters<typeof launch>[2]> = {}): Launched => launch(LAUNCHER, ['up', ...site.flags, '--log-level', 'error'], { ready: /^console/, env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', NODE_COMPILE_CACHE: join(site.folder, 'cache') }, ...more })

  await site.down()
  const bundles = await makeBundles(join(site.media, 'bundles'), [ana.signer, jon.signer])
  const first = start()
  await first.ready
  await olga('POST', '/imports', { path: bundles.first }, 'first')
  for (let record: ImportRecord | undefined; record?.state !== 'imported'; await setTimeout(LOOK_MS)) {
    record = ((await olga('GET', '/imports')) as ImportRecord[])[0]
    if (record?.state === 'verified') await olga('POST', `/imports/${record.id}/proceed`, {}).catch(following.unlessMoved(record.id, 'verified'))
    if (record?.state === 'awaiting-approval') await paul('POST', `/imports/${record.id}/approve`, {}).catch(following.unlessMoved(record.id, 'awaiting-approval'))
  }
  const { receipt } = (await olga('GET', '/imports/1/receipt')) as { receipt: string }
  const cases = await bundles.second({ base: digestOf(receipt), inventory: new Set((JSON.parse(receipt) as Receipt).inventory) })
  first.tell('SIGTERM')
  await first.ended
  const base = join(site.folder, 'base')
  for (const [from, to] of [[site.data, 'data'], [site.marks, 'marks']] as const) cpSync(from, join(base, to), { recursive: true })

  return {
    site, cases, olga, paul, following, start,
    signers: [ana.signer, jon.signer],
    admin: personOf(join(site.folder, 'people', 'admin.json')),
    /** Back to the moment after the first import. */
    reset() {
      for (const [to, from] of [[site.data, 'data'], [site.marks, 'marks']] as const) {
        rmSync(to, { recursive: true, force: true, maxRetries: 5 })
        cpSync(join(base, from), to, { recursive: true })
      }
    },
    async close() {
      for (const close of closing) await close()
    },
  }
}
