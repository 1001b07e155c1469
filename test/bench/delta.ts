import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchAppliance } from './appliance.ts'
import { build, withBundle } from './bundle.ts'
import { makeItems, mixed, writeLock } from './content.ts'
import { GIB, MIB, type Bench, type Row } from './method.ts'

const JUDGED_AT = 2 * GIB
/** What a role brings: one of this many equal parts of the content. */
const ROLES = 40
const NO_CHANGE_BYTES = 100_000
const ONE_ROLE_SHARE = 0.05

/** `delta`: what travels when the other side has the rest, by its own receipt. */
export const deltaBench: Bench = {
  name: 'delta',
  about: `bytes of a delta from a real receipt: nothing changed, one of ${ROLES} roles changed, against the full bundle (--size)`,
  async run(options) {
    const size = options.size ?? JUDGED_AT
    options.say('making the content')
    const role = (k: number, version: string): ReturnType<typeof mixed> => mixed(size / ROLES).map(one => ({ ...one, name: `role-${k}/${version}/${one.name}` }))
    const roles = Array.from({ length: ROLES }, (_none, k) => role(k, '1'))
    return await withBundle(options, blobs => makeItems(blobs, roles.flat(), 'delta'), async ({ builder, bundle, full, workspace, blobs }) => {
      const since = await BenchAppliance.once(builder, options.folder, async appliance => {
        await appliance.import(bundle)
        await appliance.site.must('olga', ['receipt', 'export', '1', options.folder])
        const key = join(options.folder, 'appliance.pub')
        copyFileSync(join(appliance.site.data, 'pki/appliance.pub'), key)
        return ['--since', join(options.folder, 'receipt-1.json'), '--appliance-key', key]
      })
      const nothing = await build(builder, workspace, since)
      writeLock(workspace, 'bench', makeItems(blobs, [...roles.slice(1).flat(), ...role(0, '2')], 'delta'))
      const one = await build(builder, workspace, since)
      const share = one.bytes / full.bytes
      const rows: Row[] = [
        { bench: 'delta', row: 'nothing changed', value: nothing.bytes / 1000, unit: 'kB', reference: full.bytes / 1000, ratio: nothing.bytes / full.bytes, goal: '< 100 kB', held: size === JUDGED_AT ? nothing.bytes < NO_CHANGE_BYTES : null },
        { bench: 'delta', row: `one role of ${ROLES} changed`, value: one.bytes / MIB, unit: 'MiB', reference: full.bytes / MIB, ratio: share, goal: '≤ 0.05 ×', held: size === JUDGED_AT ? share <= ONE_ROLE_SHARE : null },
      ]
      return size === JUDGED_AT ? rows : rows.map(row => ({ ...row, note: 'not judged at this size' }))
    })
  },
}
