/**
 * Cuts the power of an import: its data lies on ext4 on a disk with a write cache (disk-server.ts), and at every instant of its journal and
 * at random ones the disk is copied as it would be found: with all that was written, with nothing since the last flush, or with any part of
 * that. Each copy is then mounted in the place of the disk (ext4 replays its own journal), looked at, and started from.
 *
 *     unshare -m --propagation private node test/crash/power-cuts.ts --cuts 60 --seed 1 [--case one] [--mount data=ordered,commit=1]
 *
 * Run it as root and in a mount namespace of its own: what it mounts ends with it, however it ends. Without device-mapper this is as near as
 * one comes to a device that logs its writes; what a disk does that lies about its flushes is not tried.
 */
import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seeded } from '../appliance/plan/prng.ts'
import { CASE_NAMES, type CaseName } from './bundles.ts'
import type { Snapshot } from './disk-server.ts'
import { engineWorld } from './engine-world.ts'
import { leftovers, markOf, servedBy, staged, stepsDone } from './served.ts'

const DISK_MIB = 96
/** The last snapshot of an import is its end; a cut there is one too. */
const KEEPS = ['all', 'none', 'some', 'some'] as const

type Cut = { at: string; image: string; keep: Snapshot['keep']; unflushed: number }
export type Cuts = { cuts: number; lossy: number; instants: Map<string, number>; faults: string[] }

export async function powerCuts(options: { name: CaseName; cuts: number; seed: number; mount: string; say?: (line: string) => void }): Promise<Cuts> {
  const random = seeded(options.seed)
  const folder = mkdtempSync(join(tmpdir(), 'drydock-power-'))
  const [fuse, disk] = [join(folder, 'fuse'), join(folder, 'disk')]
  mkdirSync(fuse)
  mkdirSync(disk)
  const result: Cuts = { cuts: 0, lossy: 0, instants: new Map(), faults: [] }
  const mount = (image: string): void => void execFileSync('mount', ['-t', 'ext4', '-o', `loop,${options.mount}`, image, disk])
  const umount = (path: string): void => void execFileSync('umount', [path])
  try {
    const world = await engineWorld({ data: disk })
    try {
      const subject = world.cases.find(({ name }) => name === options.name)!
      const before = servedBy(disk).hash
      const { ending } = await world.run({ subject, upload: false })
      const after = servedBy(disk).hash
      world.reset()
      const base = join(folder, 'base.img')
      writeFileSync(base, '')
      truncateSync(base, DISK_MIB * 1024 * 1024)
      execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', base])
      mkdirSync(join(folder, 'plain'))
      cpSync(disk, join(folder, 'plain'), { recursive: true })
      mount(base)
      cpSync(join(folder, 'plain'), disk, { recursive: true })
      umount(disk)

      const server = fork(join(import.meta.dirname, 'disk-server.ts'), [fuse, base])
      await once(server, 'message')
      mount(join(fuse, 'disk'))
      const cuts = await cutsOf(server, [disk, 'path', ...subject.volumes], folder, options.cuts, random)
      umount(disk)
      umount(fuse)
      if (server.exitCode === null) await once(server, 'exit')
      if (ending?.state !== subject.ends) result.faults.push(`without a cut it ends ${ending?.state}`)

      for (const cut of cuts) {
        mount(cut.image)
        try {
          const fault = await survives()
          if (fault !== undefined) result.faults.push(`${cut.at}, keeping ${cut.keep} of ${cut.unflushed} blocks: ${fault}`)
        } finally {
          umount(disk)
        }
        rmSync(cut.image)
        result.cuts++
        if (cut.keep !== 'all' && cut.unflushed > 0) result.lossy++
        result.instants.set(cut.at, (result.instants.get(cut.at) ?? 0) + 1)
        if (result.cuts % 20 === 0) options.say?.(`${result.cuts} of ${cuts.length} cuts, ${result.faults.length} faults`)
      }

      /** What is found on the disk after the cut, and what the next start makes of it. */
      async function survives(): Promise<string | undefined> {
        try {
          const served = servedBy(disk).hash
          if (served !== before && served !== after) return `serves neither the old nor the new: ${served}`
          const done = stepsDone(disk)
          // What the journal calls done is on the disk, every byte of it.
          if (done.includes('promote') && served !== after) return 'promoted by the journal, and serves the old'
          if (done.includes('stage') && !done.includes('clean')) staged(disk)
          const mark = markOf(world.marks)
          if (mark !== 1 && mark !== 2) return `the mark stands at ${mark}`
          const run = await world.run({ subject, upload: false })
          if (run.ending?.state !== subject.ends) return `the next start ends ${run.ending?.state} ${run.ending?.error?.code}: ${run.said}`
          if (servedBy(disk).hash !== after) return 'has ended and serves the old'
          if (markOf(world.marks) < mark) return 'the mark fell'
          if (run.ending.receipt !== ending?.receipt || run.ending.promotions !== ending?.promotions) return `another receipt (${run.ending.receipt}), or told ${run.ending.promotions} times`
          const left = leftovers(disk)
          return left.length === 0 ? undefined : `leaves ${left.join(', ')}`
        } catch (failure) {
          return String(failure)
        }
      }
    } finally {
      await world.close()
    }
  } finally {
    for (const path of [disk, fuse]) if (existsSync(path)) execFileSync('sh', ['-c', 'umount "$1" 2>/dev/null || true', 'sh', path])
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return result
}

/** One import, held at every instant of its journal while the disk is copied; and copied in between, while it runs. */
async function cutsOf(server: ReturnType<typeof fork>, args: readonly string[], folder: string, most: number, random: () => number): Promise<Cut[]> {
  const cuts: Cut[] = []
  const running: Promise<void>[] = []
  const snapshot = async (at: string): Promise<void> => {
    const keep = KEEPS[Math.floor(random() * KEEPS.length)]!
    const image = join(folder, `cut-${cuts.length}.img`)
    const cut: Cut = { at, image, keep, unflushed: 0 }
    cuts.push(cut)
    const answered = Promise.withResolvers<void>()
    const listen = ({ path, unflushed }: { path: string; unflushed: number }): void => {
      if (path !== image) return
      cut.unflushed = unflushed
      server.off('message', listen)
      answered.resolve()
    }
    server.on('message', listen)
    server.send({ path: image, keep, seed: Math.floor(random() * 2 ** 31) } satisfies Snapshot)
    await answered.promise
  }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'engine-process.ts'), ...args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const share = most / INSTANTS
  child.on('message', (at: string) => {
    running.push((async () => {
      if (random() < share) await snapshot(at)
      if (child.connected) child.send('go')
      if (random() < share / 2) await snapshot(`soon after ${at}`)
    })())
  })
  await once(child, 'close')
  await Promise.all(running)
  return cuts.slice(0, most)
}

/** About so many copies one import offers: six for each step and wait, and half as many in between. */
const INSTANTS = 85

if (import.meta.main) {
  const { values } = parseArgs({ options: { cuts: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' }, case: { type: 'string' }, mount: { type: 'string', default: 'data=ordered' } } })
  for (const name of CASE_NAMES.filter(each => values.case === undefined || each === values.case)) {
    const began = performance.now()
    const { cuts, lossy, instants, faults } = await powerCuts({ name, cuts: Number(values.cuts), seed: Number(values.seed), mount: values.mount, say: line => process.stderr.write(`${name}: ${line}\n`) })
    process.stdout.write(`${name} on ext4 ${values.mount}: ${cuts} cuts (${lossy} of them lost writes) at ${instants.size} instants, seed ${values.seed}, ${((performance.now() - began) / 1000).toFixed(0)} s, ${faults.length} faults\n${faults.map(fault => `  ${fault}\n`).join('')}`)
    if (faults.length > 0) process.exitCode = 1
  }
}
