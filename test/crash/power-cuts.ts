/**
 * Cuts the power of an import, again and again, out of one run of it: its data lies on a disk that logs each write and each flush
 * (disk-server.ts). Afterwards the disk is made anew as it would be found had the power gone at some point of that log, with all that was
 * flushed before and an arbitrary part of what was not, torn into blocks or sectors (write-log.ts). Each such disk is mounted in the place
 * of the real one (the file system replays its own journal), looked at, and started from.
 *
 *     unshare -m --propagation private node test/crash/power-cuts.ts --cuts 200 --seed 1 [--part 1/4] [--case one] [--fs ext4|xfs|btrfs] [--mount data=ordered] [--lies]
 *
 * Run it as root and in a mount namespace of its own: what it mounts ends with it, however it ends. Which writes fall between which flushes
 * depends on the machine; a seed makes the same choices in the same log. With --lies the disk forgets its flushes: then there must be faults.
 */
import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASE_NAMES, type CaseName } from './bundles.ts'
import type { Answer, Chosen, Left, Question } from './disk-server.ts'
import { engineWorld } from './engine-world.ts'
import { leftovers, markOf, resultsIn, servedBy, staged } from './served.ts'
import type { Ending } from './world.ts'
import type { Cut, Said } from './write-log.ts'

/** The smallest disk each of them takes, with room for the import; and how it is mounted when nobody says. */
export const FILE_SYSTEMS = {
  ext4: { mebibytes: 96, make: ['mkfs.ext4', '-q', '-F', '-m', '0'], mount: 'data=ordered' },
  xfs: { mebibytes: 320, make: ['mkfs.xfs', '-q', '-f'], mount: 'nouuid' },
  btrfs: { mebibytes: 256, make: ['mkfs.btrfs', '-q', '-f'], mount: 'noatime' },
} as const
export type FileSystem = keyof typeof FILE_SYSTEMS
/** More would tell nothing new. */
const FAULTS_KEPT = 10

export type Options = { name: CaseName; cuts: number; seed: number; part?: number; parts?: number; fs?: FileSystem; mount?: string; lies?: boolean; say?: (line: string) => void }
export type Cuts = { cuts: number; lossy: number; lostSectors: number; during: Set<string>; log: Omit<Chosen, 'cuts'>; faults: string[] }

export async function powerCuts({ name, cuts, seed, part = 1, parts = 1, fs = 'ext4', mount: flags = FILE_SYSTEMS[fs].mount, lies = false, say }: Options): Promise<Cuts> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-power-'))
  const [fuse, disk, base, image] = [join(folder, 'fuse'), join(folder, 'disk'), join(folder, 'base.img'), join(folder, 'cut.img')]
  mkdirSync(fuse)
  mkdirSync(disk)
  const mount = (file: string): void => void execFileSync('mount', ['-t', fs, '-o', `loop,${flags}`, file, disk])
  const umount = (path: string): void => void execFileSync('umount', [path])
  try {
    const world = await engineWorld({ data: disk })
    try {
      const subject = world.cases.find(each => each.name === name)!
      const before = servedBy(disk).hash
      const old = resultsIn(disk)
      const { ending } = await world.run({ subject, upload: false })
      if (ending?.state !== subject.ends) throw new Error(`without a cut it ends ${ending?.state}`)
      const after = servedBy(disk).hash
      world.reset()
      makeDisk(fs, base)
      cpSync(disk, join(folder, 'plain'), { recursive: true })
      mount(base)
      cpSync(join(folder, 'plain'), disk, { recursive: true })
      umount(disk)

      const server = fork(join(import.meta.dirname, 'disk-server.ts'), [fuse, base, ...(lies ? ['lies'] : [])])
      await once(server, 'message')
      const ask = asking(server)
      mount(join(fuse, 'disk'))
      await imported([disk, 'path', ...subject.volumes], said => ask({ said }))
      umount(disk)
      umount(fuse)
      const { cuts: chosen, ...log } = await ask<Chosen>({ choose: cuts, seed })
      const result: Cuts = { cuts: 0, lossy: 0, lostSectors: 0, during: new Set(), log, faults: [] }
      for (const cut of chosen.filter((_, k) => k % parts === part - 1)) {
        const { lost, results } = await ask<Left>({ cut, path: image })
        const found = await mounted(() => survives(results))
        if (found !== undefined) result.faults.push(`${describe(cut)}, ${lost} sectors lost: ${found}`)
        result.cuts++
        if (lost > 0) result.lossy++
        result.lostSectors += lost
        result.during.add(cut.during)
        if (result.cuts % 20 === 0) say?.(`${result.cuts} cuts, ${result.lossy} lost writes, ${result.faults.length} faults`)
        if (result.faults.length >= FAULTS_KEPT) break
      }
      server.disconnect()
      return result

      async function mounted(look: () => Promise<string | undefined>): Promise<string | undefined> {
        try {
          mount(image)
        } catch (failure) {
          return `cannot be mounted: ${String(failure)}`
        }
        try {
          return await look().catch(String)
        } finally {
          umount(disk)
        }
      }

      /** What is found on the disk after the cut, and what the next start makes of it. */
      async function survives(results: readonly string[]): Promise<string | undefined> {
        const served = servedBy(disk).hash
        if (served !== before && served !== after) return `serves neither the old nor the new: ${served}`
        const kept = resultsIn(disk)
        const forgotten = results.filter(each => !kept.includes(each) && !kept.includes(each.replace(' ', ' wait:')))
        if (forgotten.length > 0) return `was done before the cut, and the journal does not know it: ${forgotten.join(', ')}`
        const done = (step: string): boolean => kept.some(each => !old.includes(each) && each.endsWith(` ${step}`))
        // What the journal calls done is on the disk, every byte of it.
        if (done('promote') && served !== after) return 'promoted by the journal, and serves the old'
        if (done('stage') && !done('clean')) staged(disk)
        const mark = markOf(world.marks)
        if (mark !== 1 && mark !== 2) return `the mark stands at ${mark}`
        if (done('mark') && subject.ends === 'imported' && mark !== 2) return 'raised the mark by the journal, and it stands at the old'
        return fault(await world.run({ subject, upload: false }), mark)
      }

      function fault({ ending: now, said }: { ending: Ending | undefined; said: string }, mark: number): string | undefined {
        if (now?.state !== subject.ends) return `the next start ends ${now?.state} ${now?.error?.code}: ${said}`
        if (servedBy(disk).hash !== after) return 'has ended and serves the old'
        if (markOf(world.marks) < mark) return 'the mark fell'
        if (now.receipt !== ending?.receipt || now.promotions !== ending?.promotions) return `another receipt (${now.receipt}), or told ${now.promotions} times`
        const left = leftovers(disk)
        return left.length === 0 ? undefined : `leaves ${left.join(', ')}`
      }
    } finally {
      await world.close()
    }
  } finally {
    for (const path of [disk, fuse]) if (existsSync(path)) execFileSync('sh', ['-c', 'umount "$1" 2>/dev/null || true', 'sh', path])
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function makeDisk(fs: FileSystem, path: string): void {
  const { mebibytes, make: [program, ...args] } = FILE_SYSTEMS[fs]
  writeFileSync(path, '')
  truncateSync(path, mebibytes * 1024 * 1024)
  execFileSync(program, [...args, path])
}

/** One import, which stands still at every instant of its journal until the disk has noted that. */
async function imported(args: readonly string[], note: (said: Said) => Promise<unknown>): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'engine-process.ts'), ...args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  child.on('message', (said: Said) => void note(said).then(() => child.connected && child.send('go')))
  await once(child, 'close')
}

/** Questions to the disk, one at a time, answered in the order in which they are asked. */
function asking(server: ChildProcess): <T extends Answer>(question: Question) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return question => {
    const next = last.then(async () => {
      const answered = once(server, 'message')
      server.send(question)
      return ((await answered) as [never])[0]
    })
    last = next
    return next
  }
}

const describe = ({ during, length, keep, piece }: Cut): string => `after ${length} entries of the log (${during}), keeping ${keep} of what was not flushed by ${piece} bytes`

export function report(name: CaseName, disk: string, { cuts, lossy, lostSectors, during, log, faults }: Cuts, seed: number, seconds: number): string {
  return [
    `${name} on ${disk}: ${cuts} cuts, ${lossy} of them lost something (${lostSectors} sectors), during ${during.size} instants; a log of ${log.writes} writes and ${log.flushes} flushes; seed ${seed}, ${seconds.toFixed(0)} s, ${faults.length} faults`,
    ...faults.map(fault => `  ${fault}`),
  ].join('\n')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { cuts: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' }, part: { type: 'string', default: '1/1' }, case: { type: 'string' }, fs: { type: 'string', default: 'ext4' }, mount: { type: 'string' }, lies: { type: 'boolean', default: false } } })
  const fs = values.fs === 'xfs' || values.fs === 'btrfs' ? values.fs : 'ext4'
  const [part = 1, parts = 1] = values.part.split('/').map(Number)
  const flags = values.mount ?? FILE_SYSTEMS[fs].mount
  for (const name of CASE_NAMES.filter(each => values.case === undefined || each === values.case)) {
    const began = performance.now()
    const cuts = await powerCuts({ name, cuts: Number(values.cuts), seed: Number(values.seed), part, parts, fs, mount: flags, lies: values.lies, say: line => process.stderr.write(`${name}: ${line}\n`) })
    process.stdout.write(`${report(name, `${fs} ${flags}`, cuts, Number(values.seed), (performance.now() - began) / 1000)}\n`)
    if (cuts.faults.length > 0) process.exitCode = 1
  }
}
