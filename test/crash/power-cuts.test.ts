import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../appliance/core/run-program.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const possible = process.getuid?.() === 0 && existsSync('/dev/fuse') && existsSync('/dev/loop-control')

await t.test('an import whose power is cut is the old or the new, what its journal says is on the disk, and the next start finishes it', { skip: possible ? false : 'mounting a disk of its own needs root, /dev/fuse and loop devices' }, async t => {
  for (const [name, cuts] of [['set', 8], ['delta', 4]] as const) {
    const args = ['-m', '--propagation', 'private', process.execPath, join(import.meta.dirname, 'power-cuts.ts'), '--cuts', String(cuts), '--seed', '7', '--case', name]
    const { stdout } = await runProgram('unshare', { args, env: process.env })
    t.match(stdout.toString(), new RegExp(`^${name} on ext4 data=ordered: \\d+ cuts .*, 0 faults$`, 'm'))
    t.comment(stdout.toString())
  }
})
