import t from 'tap'
import { digestOf } from '../../../../appliance/core/digest.ts'
import { commandLine, identityOf } from '../../../../appliance/drivers/qemu/command-line.ts'
import { newVmRecord } from '../../../../appliance/drivers/vm-record.ts'

const intent = { name: 'lin-7', ownership: { applianceId: 'a1', pool: 'linux-demo', revision: 3, fence: 0 }, image: digestOf('image'), hardware: { cpus: 2, memoryMiB: 512 }, nodeJson: '{"token":"secret"}' }
const record = newVmRecord(intent, 5)
const machine = {
  acceleration: 'tcg' as const,
  hypervisor: 'rack,a',
  image: { digest: intent.image, folder: '/data/a,b/image', commandLine: 'console=ttyS0 a,b' },
  holes: [
    { guest: { address: '10.0.2.100', port: 8444 }, host: { address: '127.0.0.1', port: 8444 } },
    { guest: { address: '10.0.2.100', port: 8444 }, host: { address: '127.0.0.1', port: 9 } },
  ],
  socat: 'socat',
}
const args = commandLine(record, machine)
const after = (option: string): string[] => args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ''] : []))

await t.test('a command line tells whose the VM is, with no file left', async t => {
  t.same(identityOf(args), { hypervisor: 'rack,a', name: 'lin-7', uuid: record.uuid, ownership: intent.ownership, image: intent.image, intentDigest: record.intentDigest })
  t.same(identityOf(['/bin/sh', '-c', 'exec "$0" "$@"', ...args])?.name, 'lin-7', 'also while the shell has not become QEMU yet')
})

await t.test('a command line that lacks any of the four fields owns nothing', async t => {
  const stamp = after('-smbios')[0] ?? ''
  for (const field of ['appliance', 'pool', 'revision', 'fence', 'name', 'image', 'intent']) {
    t.equal(identityOf(['-smbios', stamp.replace(new RegExp(`,value=drydock\\.${field}=[^,]*`), '')]), null, field)
  }
  t.equal(identityOf(['qemu-system-x86_64', '-name', 'guest=lin-7']), null)
  t.equal(identityOf(['-smbios', 'type=11,value=something else']), null)
})

await t.test('disk and config drive are read-only, the network is closed but for the holes, and each hole stands once', async t => {
  t.ok(after('-drive').length === 2 && after('-drive').every(drive => drive.endsWith('readonly=on')))
  t.match(after('-drive')[0], 'file=/data/a,,b/image/disk.raw', 'commas are doubled')
  t.equal(after('-append')[0], 'console=ttyS0 a,b')
  t.equal(after('-netdev').length, 1)
  t.match(after('-netdev')[0], /^user,id=net0,restrict=on,/)
  t.equal(after('-netdev')[0]?.split('guestfwd=').length, 2)
  t.match(after('-netdev')[0], `socat -lpdrydock-${record.uuid} - TCP:127.0.0.1:`)
  t.ok(['-nodefaults', '-no-user-config', '-sandbox'].every(option => args.includes(option)))
})

await t.test('the one-time token is not on the command line', async t => t.notMatch(args.join(' '), 'secret'))

await t.test('a VM is known by its intent, whatever its token', async t => {
  t.equal(newVmRecord({ ...intent, nodeJson: 'another' }, 9).intentDigest, record.intentDigest)
  t.not(newVmRecord({ ...intent, hardware: { cpus: 1, memoryMiB: 512 } }, 5).intentDigest, record.intentDigest)
})
