import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { wallClock } from '../../../../appliance/core/clock.ts'
import { silentLog } from '../../../../appliance/core/log.ts'
import { openQemu } from '../../../../appliance/drivers/qemu/driver.ts'
import type { Hypervisor, Ownership } from '../../../../appliance/model/hypervisor.ts'
import { tinyImage } from '../../../conformance/tiny-image.ts'
import { processesWith } from './processes.ts'

const never = new AbortController().signal
const ownership: Ownership = { applianceId: 'appliance-1', pool: 'linux-demo', revision: 1, fence: 1 }
t.setTimeout(120_000)

const folder = t.testdir()
const vmsDir = join(folder, 'vms')
const image = await tinyImage(join(folder, 'images'), 'one')
const qemus = (): string[] => processesWith(folder).filter(line => line.includes('qemu-system-x86_64 -name'))

async function open(): Promise<Hypervisor> {
  const driver = await openQemu({ name: 'local', applianceId: 'appliance-1', vmsDir, holes: [], clock: wallClock, log: silentLog, acceleration: 'tcg' })
  await driver.ensureImage(image, never)
  return driver
}
const create = async (driver: Hypervisor): Promise<void> => await driver.create({ name: 'lin-1', ownership, image: image.digest, hardware: { cpus: 1, memoryMiB: 64 }, nodeJson: '{}' }, never)

/** Kills the appliance so many milliseconds after it began this step. */
async function killDuring(step: 'create' | 'destroy', milliseconds: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'create-and-destroy.ts'), vmsDir, image.folder, image.digest], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== step) continue
    await sleep(milliseconds)
    break
  }
  child.kill('SIGKILL')
  await ended
}

await t.test('killed at any time while it creates or destroys, the next start ends with one VM or none, as it wishes', { timeout: 100_000 }, async t => {
  for (const [step, times] of [['create', [0, 6, 20, 50, 100, 180, 300]], ['destroy', [0, 4, 10, 20, 60]]] as const) {
    for (const milliseconds of times) {
      await killDuring(step, milliseconds)
      const driver = await open()
      const found = await driver.list(never)
      t.ok(found.length <= 1 && found.every(vm => vm.name === 'lin-1'), `${step} + ${milliseconds} ms: ${found[0]?.state ?? 'none'}`)
      // Half go on, half give up; both must be possible from everywhere.
      if (milliseconds % 4 === 0) {
        await create(driver)
        t.match(await driver.list(never), [{ name: 'lin-1', state: 'running' }])
        t.equal(qemus().length, 1)
      }
      await driver.destroy('lin-1', ownership, never)
      t.same(qemus(), [])
      t.same(readdirSync(vmsDir), [])
      await driver.close()
    }
  }
})

await t.test('a VM whose folder was lost is still ours, by its command line, and can be destroyed', async t => {
  const driver = await open()
  await create(driver)
  rmSync(join(vmsDir, 'lin-1'), { recursive: true })
  t.match(await driver.list(never), [{ name: 'lin-1', ownership, image: image.digest, state: 'running' }])
  t.equal(qemus().length, 1)
  await driver.destroy('lin-1', ownership, never)
  t.same(qemus(), [])
  t.same(await driver.list(never), [])
})

await t.test('a VM that was killed by somebody is stopped, and create starts it again', async t => {
  const driver = await open()
  await create(driver)
  const [vm] = await driver.list(never)
  process.kill(Number(vm?.handle), 'SIGKILL')
  for (let tries = 0; tries < 100 && qemus().length > 0; tries++) await sleep(20)
  t.match(await driver.list(never), [{ name: 'lin-1', state: 'stopped' }])
  await create(driver)
  t.match(await driver.list(never), [{ name: 'lin-1', state: 'running' }])
  await driver.destroy('lin-1', ownership, never)
})

await t.test('a frozen QEMU is destroyed all the same', { timeout: 30_000 }, async t => {
  const driver = await open()
  await create(driver)
  const [vm] = await driver.list(never)
  process.kill(Number(vm?.handle), 'SIGSTOP')
  await driver.destroy('lin-1', ownership, never)
  t.same(qemus(), [])
  t.same(readdirSync(vmsDir), [])
})

await t.test('a copy of this appliance in another folder leaves these VMs alone', async t => {
  const driver = await open()
  await create(driver)
  const copy = await openQemu({ name: 'local', applianceId: 'appliance-1', vmsDir: join(folder, 'copy'), holes: [], clock: wallClock, log: silentLog, acceleration: 'tcg' })
  t.same(await copy.list(never), [])
  await copy.destroy('lin-1', ownership, never)
  t.equal(qemus().length, 1)
  await driver.destroy('lin-1', ownership, never)
})

await t.test('a folder that Drydock did not make is never used and never removed', async t => {
  const driver = await open()
  mkdirSync(join(vmsDir, 'lin-1'))
  writeFileSync(join(vmsDir, 'lin-1', 'precious'), 'x')
  for (const call of [create(driver), driver.destroy('lin-1', ownership, never)]) t.match(await call.catch((failure: unknown) => failure), { code: 'DD-HV-002' })
  t.same(readdirSync(join(vmsDir, 'lin-1')), ['precious'])
  rmSync(join(vmsDir, 'lin-1'), { recursive: true })
})

await t.test('an image with a flipped byte is refused, each file of it', async t => {
  for (const file of ['disk.raw', 'vmlinuz', 'initrd']) {
    const bad = await tinyImage(join(folder, 'bad'), 'one')
    const bytes = readFileSync(join(bad.folder, file))
    bytes[100] = (bytes[100] ?? 0) ^ 1
    writeFileSync(join(bad.folder, file), bytes)
    const driver = await open()
    t.match(await driver.ensureImage(bad, never).catch((failure: unknown) => failure), { code: 'DD-HV-003', message: new RegExp(file) })
    // and the good one, once it was checked, is checked again when it was written to
    await driver.ensureImage(image, never)
    renameSync(join(image.folder, file), join(folder, 'kept'))
    t.match(await driver.ensureImage(image, never).catch((failure: unknown) => failure), { code: 'DD-HV-003' })
    renameSync(join(folder, 'kept'), join(image.folder, file))
  }
})

await t.test('when QEMU does not start, its own words are the hint, and nothing runs', async t => {
  const driver = await open()
  const failure: unknown = await driver.create({ name: 'lin-1', ownership, image: image.digest, hardware: { cpus: 1, memoryMiB: 900_000_000 }, nodeJson: '{}' }, never).catch((caught: unknown) => caught)
  t.match(failure, { code: 'DD-HV-004', hint: /it said: .*qemu-system-x86_64/ })
  t.same(qemus(), [])
  await driver.destroy('lin-1', ownership, never)
  t.same(readdirSync(vmsDir), [])
})
