import t from 'tap'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openSim } from '../../../../appliance/drivers/sim/driver.ts'
import { plantForeignVm } from '../../../../appliance/drivers/sim/vm-files.ts'
import { hypervisorConformance } from '../../../conformance/hypervisor.ts'

await t.test('sim does what every hypervisor must', async t => {
  await hypervisorConformance(t, async t => {
    const stateDir = join(t.testdir(), 'sim')
    const file = (name: string): string => join(stateDir, `${name}.json`)
    return {
      open: async applianceId => await openSim({ name: 'sim', applianceId, stateDir, desk: null, reach: url => url, clock: wallClock, log: silentLog }),
      traces: async name => (existsSync(file(name)) ? [file(name)] : []),
      plantForeign: async name => await plantForeignVm(stateDir, name),
      foreignLives: async name => existsSync(file(name)),
      removeForeign: async name => rmSync(file(name)),
      leftovers: async () => readdirSync(stateDir),
    }
  })
})
