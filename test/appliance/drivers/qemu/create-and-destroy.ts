import { wallClock } from '../../../../appliance/core/clock.ts'
import { parseDigest } from '../../../../appliance/core/digest.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openQemu } from '../../../../appliance/drivers/qemu/driver.ts'

/** Makes a VM and destroys it, again and again, printing each step; ends when it is killed. */
const [vmsDir = '', folder = '', digest = ''] = process.argv.slice(2)
const never = new AbortController().signal
const driver = await openQemu({ name: 'local', applianceId: 'appliance-1', vmsDir, holes: [], clock: wallClock, log: silentLog, acceleration: 'tcg' })
const image = parseDigest(digest)
await driver.ensureImage({ digest: image, folder, commandLine: '' }, never)
const ownership = { applianceId: 'appliance-1', pool: 'linux-demo', revision: 1, fence: 1 }
for (;;) {
  console.log('create')
  await driver.create({ name: 'lin-1', ownership, image, hardware: { cpus: 1, memoryMiB: 64 }, nodeJson: '{}' }, never)
  console.log('destroy')
  await driver.destroy('lin-1', ownership, never)
}
