import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FLOOR_RISE } from '../../../appliance/state/trusted-time.ts'
import { bundleOf, person, trustOf } from '../../support/bundles.ts'
import { openSite } from '../../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
const signers = [ana.signer, jon.signer]

/** Dead battery; the last second of 32-bit time and the one after it; the same of OpenPGP's unsigned 32 bits. */
const WALLS = ['1970-01-01T00:00:01Z', '2026-01-01T00:00:00Z', '2038-01-19T03:14:07Z', '2038-01-19T03:14:08Z', '2106-02-07T06:28:15Z', '2106-02-07T06:28:16Z', '2200-01-01T00:00:00Z'] as const

for (const text of WALLS) {
  await t.test(`by a clock at ${text} no signature is called bad, and the floor of trusted time neither falls nor leaps`, async t => {
    const folder = t.testdir()
    const built = async (sequence: number): Promise<string> => (await bundleOf({ folder: join(folder, `bundle-${sequence}`), signers, sequence, files: { [`file-${sequence}`]: `${sequence}` } })).file
    const place = join(folder, 'site')
    mkdirSync(place)
    const right = await openSite({ teardown: () => undefined }, { trust: trustOf([ana, jon]), folder: place, appliance })
    t.match(await right.importBundle(await built(1)), { state: 'imported' })
    const floor = right.marks.floor()!
    await right.close()

    const wall = new Date(text)
    const wrong = await openSite({ teardown: () => undefined }, { trust: trustOf([ana, jon]), folder: place, appliance, clock: { now: () => wall } })
    const record = await wrong.importBundle(await built(2))
    t.comment(`${record.state} ${record.error?.code ?? ''} ${record.error?.message ?? ''}`)
    const isBehind = wall.getTime() < Date.now()
    if (isBehind) {
      // Behind what was seen here, or only behind the signature: both are about the clock, and can be tried again when it is right.
      t.match(record, { state: 'failed', error: { code: wall < floor ? 'DD-TRUST-009' : 'DD-TRUST-008', hint: /clock/ } }, 'it is the clock that is wrong')
      t.equal(wrong.marks.get('demo')?.sequence, 1)
    } else t.match(record, { state: 'imported' }, 'keys without an end are good by any later time')
    const after = wrong.marks.floor()!
    t.ok(after >= floor, 'the floor does not fall')
    t.ok(after.getTime() <= floor.getTime() + FLOOR_RISE, 'one wrong clock lifts it by no more than what two people can take back')
    await wrong.close()

    const again = await openSite({ teardown: () => undefined }, { trust: trustOf([ana, jon]), folder: place, appliance, clock: { now: () => new Date(Math.max(Date.now(), after.getTime())) } })
    t.match(await again.importBundle(await built(isBehind ? 2 : 3)), { state: 'imported' }, 'and by a right clock the next bundle comes in')
    await again.close()
    rmSync(folder, { recursive: true, force: true })
  })
}
