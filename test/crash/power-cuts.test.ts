import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { canMount } from './own-mounts.ts'
import { runProgram } from '../../appliance/core/run-program.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

const skip = canMount ? false : 'mounting a disk of its own needs root, /dev/fuse and loop devices'
const kernelHas = (fs: string): boolean => readFileSync('/proc/filesystems', 'utf8').includes(`\t${fs}\n`)
const SEED = '7'

async function cut(...args: string[]): Promise<string> {
  const program = ['-m', '--propagation', 'private', process.execPath, join(import.meta.dirname, 'power-cuts.ts'), '--seed', SEED, ...args]
  return (await runProgram('unshare', { args: program, env: process.env, accept: [0, 1] })).stdout.toString()
}

await t.test('an import whose power is cut is the old or the new, what its journal says is on the disk, and the next start finishes it', { skip }, async t => {
  for (const [name, cuts] of [['set', '10'], ['delta', '5']] as const) {
    const said = await cut('--case', name, '--cuts', cuts)
    t.comment(said)
    t.match(said, new RegExp(`^${name} on ext4 data=ordered: ${cuts} cuts, .*, 0 faults$`, 'm'))
    const lossy = Number(/(\d+) of them lost something/.exec(said)?.[1])
    t.ok(lossy >= Number(cuts) / 2, `${lossy} cuts had something to lose`)
  }
})

await t.test('on XFS it is the same', { skip: kernelHas('xfs') ? skip : 'this kernel has no XFS' }, async t => {
  const said = await cut('--case', 'one', '--cuts', '5', '--fs', 'xfs')
  t.comment(said)
  t.match(said, /^one on xfs nouuid: 5 cuts, .*, 0 faults$/m)
})

await t.test('on a disk that forgets what it has confirmed these checks tell', { skip }, async t => {
  const said = await cut('--case', 'one', '--cuts', '4', '--lies')
  t.comment(said)
  t.match(said, /, [1-4] faults$/m)
})
