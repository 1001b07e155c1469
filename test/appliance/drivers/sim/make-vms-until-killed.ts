import { wallClock } from '../../../../appliance/core/clock.ts'
import { parseDigest } from '../../../../appliance/core/digest.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openSim } from '../../../../appliance/drivers/sim/driver.ts'

/** Prints each name after create has answered; ends when it is killed. */
const [stateDir = '', folder = '', digest = ''] = process.argv.slice(2)
const never = new AbortController().signal
const driver = await openSim({ name: 'sim', applianceId: 'appliance-1', stateDir, settings: { createMilliseconds: [0, 2] }, desk: null, reach: url => url, clock: wallClock, log: silentLog })
const image = parseDigest(digest)
await driver.ensureImage({ digest: image, folder, commandLine: '' }, never)
for (let number = 1; ; number++) {
  const name = `lin-${number}`
  await driver.create({ name, ownership: { applianceId: 'appliance-1', pool: 'linux-demo', revision: 1, fence: 1 }, image, hardware: { cpus: 1, memoryMiB: 64 }, nodeJson: '{}' }, never)
  console.log(name)
}
