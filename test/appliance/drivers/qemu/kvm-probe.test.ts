import t from 'tap'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { probeKvm, runsGuest } from '../../../../appliance/drivers/qemu/kvm-probe.ts'

const folder = t.testdir({})

await t.test('the probe’s guest runs to its end where guests run', async t => t.equal(await runsGuest(folder, 'tcg'), true))

await t.test('this machine’s KVM is asked and answered for within the limit, and what is not used is explained', async t => {
  const before = performance.now()
  const found = await probeKvm(folder)
  t.ok(performance.now() - before < 8_000, 'however it hangs')
  t.match(found, found.kind === 'kvm' ? { note: null } : { kind: 'tcg', note: /; VMs run under TCG/ })
})

await t.test('no /dev/kvm, and one that this user may not open, are told apart', async t => {
  t.match(await probeKvm(folder, join(folder, 'nowhere')), { kind: 'tcg', note: /this machine has no/ })
  if (process.geteuid?.() === 0) return
  const closed = join(folder, 'closed')
  writeFileSync(closed, '')
  chmodSync(closed, 0)
  t.match(await probeKvm(folder, closed), { kind: 'tcg', note: /this user may not open it/ })
})

await t.test('it leaves nothing', async t => t.same(readdirSync(folder).filter(name => name !== 'closed'), []))
