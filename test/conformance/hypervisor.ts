import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Hypervisor, Ownership, VmIntent } from '../../appliance/model/hypervisor.ts'
import { tinyImage, TINY_GREETING } from './tiny-image.ts'

/** A hypervisor as the suite needs it: opened again and again over the same VMs, and looked at from outside the driver. */
export type HypervisorUnderTest = {
  open(applianceId: string): Promise<Hypervisor>
  /** Everything of a VM that can be seen without the driver: files, processes. Empty means that nothing is left. */
  traces(name: string): Promise<string[]>
  /** A VM that Drydock did not make, with a name as ours could be. */
  plantForeign(name: string): Promise<void>
  foreignLives(name: string): Promise<boolean>
  /** Ends what was planted; after that, what is left counts as a leak. */
  removeForeign(name: string): Promise<void>
  /** What is left of any VM when all were destroyed. */
  leftovers(): Promise<string[]>
}

const US = '0198f0a0-0000-7000-8000-000000000001'
const OTHERS = '0198f0a0-0000-7000-8000-000000000002'

const never = (): AbortSignal => new AbortController().signal

async function code(work: Promise<unknown>): Promise<string> {
  return await work.then(() => 'no error', (failure: unknown) => (failure instanceof DrydockError ? failure.code : String(failure)))
}

/** What every driver must do; `make` gives an empty hypervisor. */
export async function hypervisorConformance(t: Test, make: (t: Test) => Promise<HypervisorUnderTest>): Promise<void> {
  const under = await make(t)
  const images = t.testdir()
  const image = await tinyImage(join(images, 'images'), 'one')
  const other = await tinyImage(join(images, 'images'), 'two')
  const owner: Ownership = { applianceId: US, pool: 'linux-demo', revision: 3, fence: 7 }
  const intent = (name: string, change: Partial<VmIntent> = {}): VmIntent => ({ name, ownership: owner, image: image.digest, hardware: { cpus: 1, memoryMiB: 64 }, nodeJson: `{"name":"${name}"}`, ...change })
  const opened = async (): Promise<Hypervisor> => {
    const driver = await under.open(US)
    await driver.ensureImage(image, never())
    await driver.ensureImage(other, never())
    return driver
  }
  let driver = await opened()

  await t.test('it says what it is and what it has', async t => {
    const found = await driver.capabilities(never())
    t.match(found, { kind: /^[a-z]+$/, acceleration: /^(kvm|tcg|none)$/, version: /./ })
    t.ok(found.cpus > 0 && found.memoryMiB > 0 && found.diskFreeMiB > 0)
    if (found.kind !== 'sim' && found.acceleration !== 'kvm') t.ok(found.notes.length > 0, 'slow, and says why')
  })

  await t.test('an image is refused whose folder holds another one, and a VM of an image that was not checked', async t => {
    t.equal(await code(driver.ensureImage({ ...image, folder: other.folder }, never())), 'DD-HV-003')
    t.equal(await code(driver.ensureImage({ ...image, folder: join(images, 'nowhere') }, never())), 'DD-HV-003')
    const unknown = await tinyImage(join(images, 'images'), 'three')
    t.equal(await code(driver.create(intent('lin-1', { image: unknown.digest }), never())), 'DD-HV-003')
    t.same(await under.traces('lin-1'), [])
  })

  await t.test('create makes a VM that runs, and list shows it with its ownership', async t => {
    await driver.create(intent('lin-1'), never())
    const [vm, ...more] = await driver.list(never())
    t.same(more, [])
    t.match(vm, { name: 'lin-1', ownership: owner, image: image.digest, state: 'running', intentDigest: /^sha256:/, handle: /./ })
    t.ok(Math.abs(Date.now() - (vm?.startedAt ?? 0)) < 60_000, 'it knows when it was started')
    t.not((await under.traces('lin-1')).length, 0, 'seen from outside too')
  })

  await t.test('create again with the same intent changes nothing, also with another token', async t => {
    const [before] = await driver.list(never())
    await driver.create(intent('lin-1'), never())
    await driver.create(intent('lin-1', { nodeJson: '{"token":"another"}' }), never())
    t.same(await driver.list(never()), [before])
  })

  await t.test('the same name with another intent is refused and changes nothing', async t => {
    const before = await driver.list(never())
    t.equal(await code(driver.create(intent('lin-1', { image: other.digest }), never())), 'DD-HV-001')
    t.equal(await code(driver.create(intent('lin-1', { hardware: { cpus: 1, memoryMiB: 65 } }), never())), 'DD-HV-001')
    t.equal(await code(driver.create(intent('lin-1', { ownership: { ...owner, fence: 8 } }), never())), 'DD-HV-001')
    t.same(await driver.list(never()), before)
  })

  await t.test('two calls at once for one name make one VM', async t => {
    await Promise.all([driver.create(intent('lin-2'), never()), driver.create(intent('lin-2'), never()), driver.create(intent('lin-3'), never())])
    t.same((await driver.list(never())).map(vm => vm.name), ['lin-1', 'lin-2', 'lin-3'])
  })

  await t.test('the console shows what the guest says', async t => {
    let text = ''
    for (let tries = 0; tries < 200 && !text.includes(TINY_GREETING) && !text.includes('@init'); tries++) {
      text = await driver.console('lin-1', never())
      await sleep(50)
    }
    t.match(text, /drydock test guest is up|@init/)
    t.ok(Buffer.byteLength(text) <= 256 * 1024)
    t.equal(await code(driver.console('lin-99', never())), 'DD-HV-006')
  })

  await t.test('a name that is a path is refused everywhere', async t => {
    for (const name of ['../lin-1', 'a/b', '', '.', 'LIN 1']) {
      t.equal(await code(driver.create(intent(name), never())), 'DD-CORE-009')
      t.equal(await code(driver.destroy(name, owner, never())), 'DD-CORE-009')
      t.equal(await code(driver.console(name, never())), 'DD-CORE-009')
    }
  })

  await t.test('nobody is destroyed whose ownership differs in any of the four fields', async t => {
    for (const wrong of [{ applianceId: OTHERS }, { pool: 'other' }, { revision: 4 }, { fence: 6 }]) t.equal(await code(driver.destroy('lin-1', { ...owner, ...wrong }, never())), 'DD-HV-002')
    t.equal((await driver.list(never())).find(vm => vm.name === 'lin-1')?.state, 'running')
    t.equal(await code(driver.create(intent('lin-4', { ownership: { ...owner, applianceId: OTHERS } }), never())), 'DD-HV-002', 'nor is one made for somebody else')
    t.same(await under.traces('lin-4'), [])
  })

  await t.test('another appliance on the same hypervisor sees none of ours and can touch none', async t => {
    const neighbour = await under.open(OTHERS)
    t.same(await neighbour.list(never()), [])
    t.equal(await code(neighbour.destroy('lin-1', owner, never())), 'DD-HV-002')
    t.equal(await code(neighbour.destroy('lin-1', { ...owner, applianceId: OTHERS }, never())), 'DD-HV-002')
    t.equal(await code(neighbour.console('lin-1', never())), 'DD-HV-006')
    await neighbour.close()
    t.equal((await driver.list(never())).length, 3)
  })

  await t.test('VMs outlive the driver, and the next one finds them as they were', async t => {
    const before = await driver.list(never())
    await driver.close()
    driver = await opened()
    t.same(await driver.list(never()), before)
    await driver.create(intent('lin-2'), never())
    t.same(await driver.list(never()), before)
  })

  await t.test('who has given up gets DD-CORE-007, and nothing is done', async t => {
    const before = await driver.list(never())
    const gone = AbortSignal.abort()
    for (const call of [driver.list(gone), driver.create(intent('lin-5'), gone), driver.destroy('lin-1', owner, gone), driver.console('lin-1', gone), driver.ensureImage(image, gone)]) t.equal(await code(call), 'DD-CORE-007')
    t.same(await driver.list(never()), before)
    t.same(await under.traces('lin-5'), [])
  })

  await t.test('destroy leaves nothing of a VM, and a second time is no error', async t => {
    await driver.destroy('lin-2', owner, never())
    t.same(await under.traces('lin-2'), [])
    await driver.destroy('lin-2', owner, never())
    await driver.destroy('lin-77', owner, never())
    t.same((await driver.list(never())).map(vm => vm.name), ['lin-1', 'lin-3'])
  })

  await t.test('a VM that is not ours is never shown and never touched', async t => {
    await under.plantForeign('lin-9')
    t.same((await driver.list(never())).map(vm => vm.name), ['lin-1', 'lin-3'])
    await code(driver.destroy('lin-9', owner, never()))
    await Promise.all([driver.destroy('lin-1', owner, never()), driver.destroy('lin-3', owner, never())])
    t.same(await driver.list(never()), [])
    t.equal(await under.foreignLives('lin-9'), true)
    await under.removeForeign('lin-9')
  })

  await t.test('at the end no file and no process is left', async t => {
    await driver.close()
    t.same(await under.leftovers(), [])
  })
}
