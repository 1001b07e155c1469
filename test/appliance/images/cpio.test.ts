import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { writeCpio, type CpioEntry } from '../../../appliance/images/cpio.ts'

const entries: CpioEntry[] = [
  { name: 'bin', mode: 0o040755, data: new Uint8Array() },
  { name: 'bin/sh', mode: 0o120777, data: Buffer.from('busybox') },
  { name: 'bin/busybox', mode: 0o100755, data: Buffer.from('12345') },
  { name: 'init', mode: 0o100755, data: Buffer.from('#!/bin/sh\n') },
]

await t.test('GNU cpio lists what was put in, with owner root and the given time', async t => {
  const { stdout } = await runProgram('cpio', { args: ['-itv', '--numeric-uid-gid', '--quiet'], input: writeCpio(entries, 1767225600), env: { PATH: process.env['PATH'], TZ: 'UTC', LC_ALL: 'C' } })
  const lines = stdout.toString().trim().split('\n')
  t.match(lines[0], /^drwxr-xr-x +2 0 +0 +0 Jan +1 +2026 bin$/)
  t.match(lines[1], /^-rwxr-xr-x +1 0 +0 +5 .* bin\/busybox$/)
  t.match(lines[2], /bin\/sh -> busybox$/)
  t.match(lines[3], /^-rwxr-xr-x .* init$/)
})

await t.test('the order in which files were found does not matter', async t => {
  t.same(writeCpio(entries, 1), writeCpio(entries.toReversed(), 1))
})

await t.test('an archive ends on a whole block', async t => {
  t.equal(writeCpio(entries, 1).length % 512, 0)
})
