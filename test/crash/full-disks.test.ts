import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../appliance/core/run-program.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const possible = process.getuid?.() === 0 && existsSync('/dev/loop-control')

await t.test('a disk that is full at any instant of an import: the appliance answers, serves the old, audits, says what it lacks, and ends the import when there is space', { skip: possible ? false : 'mounting a disk of its own needs root and loop devices' }, async t => {
  for (const [name, trials] of [['set', '6'], ['delta', '4']] as const) {
    const args = ['-m', '--propagation', 'private', process.execPath, join(import.meta.dirname, 'full-disks.ts'), '--trials', trials, '--seed', '2', '--case', name]
    const { stdout } = await runProgram('unshare', { args, env: process.env, accept: [0, 1] })
    t.comment(stdout.toString())
    t.match(stdout.toString(), new RegExp(`^${name}: ${trials} times full at .*, 0 faults$`, 'm'))
  }
})
