/**
 * Fills the disk under an import, at one instant of its journal after the other, to so many free bytes: a small ext4 with the whole
 * appliance on it (`up`, its reserve, its marks), and ballast that comes in that very instant and takes what the import was counting on.
 *
 *     unshare -m --propagation private node test/crash/full-disks.ts [--trials 40] [--seed 1] [--part 1/4] [--case one|set|delta]
 *
 * While it is full: the old (or, once promoted, the new) is served, a person is added and that is audited, the import says what it lacks, and
 * nothing lies in staging but, of a set, what was verified. When the ballast is gone: `resume`, or a start when the process had to end, brings it to its end.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { runProgram } from '../../appliance/core/run-program.ts'
import { seeded } from '../appliance/plan/prng.ts'
import { CASE_NAMES, type Case, type CaseName } from './bundles.ts'
import { leftovers, servedBy, staged } from './served.ts'
import { upSite, type UpSite } from './up-site.ts'
import type { Ending } from './world.ts'
import type { Said } from './write-log.ts'

const KIB = 1024
/** The reserve (32 MiB), what an import wants beside its bytes (64 MiB), and the appliance itself find room in it. */
const DISK_MIB = 192
/** Bytes that the ballast leaves. */
const FREE = [0, 4 * KIB, 24 * KIB, 100 * KIB, 400 * KIB, 1024 * KIB, 4096 * KIB] as const
/** Longer than any import here takes. */
const STUCK_MS = 30_000
/** In the middle of staging, which the journal does not see: as soon as something of it is there. */
const STAGING = 'while it is staged'

export type Full = { trials: number; failed: number; stopped: number; sufficed: number; codes: Map<string, number>; instants: Set<string>; faults: string[] }

export async function fullDisks({ name, trials, seed, part = 1, parts = 1, say }: { name: CaseName; trials: number; seed: number; part?: number; parts?: number; say?: (line: string) => void }): Promise<Full> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-full-'))
  const [image, disk] = [join(folder, 'disk.img'), join(folder, 'disk')]
  mkdirSync(disk)
  writeFileSync(image, '')
  truncateSync(image, DISK_MIB * KIB * KIB)
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
  execFileSync('mount', ['-o', 'loop', image, disk])
  try {
    const here = await upSite(join(disk, 'data'), join(disk, 'marks'))
    try {
      const subject = here.cases.find(each => each.name === name)!
      const before = servedBy(here.site.data).hash
      const seen: string[] = []
      here.reset()
      const { ending } = await attempt(here, subject, said => void seen.push(said.text))
      const after = servedBy(here.site.data).hash
      if (ending?.state !== subject.ends) throw new Error(`with room it ends ${ending?.state}`)
      const instants = [...seen.filter(each => /^(before|after) (intent|effect|result) of /.test(each)), STAGING, STAGING]
      const random = seeded(seed)
      const order = instants.map(instant => ({ instant, at: random() })).toSorted((a, b) => a.at - b.at).map(({ instant }) => instant)
      const result: Full = { trials: 0, failed: 0, stopped: 0, sufficed: 0, codes: new Map(), instants: new Set(), faults: [] }
      for (let k = part - 1; k < trials; k += parts) {
        const instant = order[k % order.length]!
        const free = FREE[Math.floor(random() * 1000 + k) % FREE.length]!
        here.reset()
        const fault = await trial({ here, disk, subject, instant, free, expected: { before, after, ending } }, result).catch(String)
        rmSync(join(disk, 'ballast'), { force: true })
        result.trials++
        result.instants.add(instant)
        if (fault !== undefined) result.faults.push(`${instant}, ${free} bytes free: ${fault}`)
        if (result.trials % 10 === 0) say?.(`${result.trials} times full, ${result.faults.length} faults`)
      }
      return result
    } finally {
      await here.close()
    }
  } finally {
    execFileSync('umount', [disk])
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

type Trial = { here: UpSite; disk: string; subject: Case; instant: string; free: number; expected: { before: string; after: string; ending: Ending } }

async function trial({ here, disk, subject, instant, free, expected }: Trial, result: Full): Promise<string | undefined> {
  const { site, following } = here
  const ballast = join(disk, 'ballast')
  let full = false
  const fill = (): void => {
    const { bavail, bsize } = statfsSync(disk)
    // What does not fit because the file system needs some of it itself has filled the disk all the same.
    if (!full && bavail * bsize > free) spawnSync('fallocate', ['-l', String(bavail * bsize - free), ballast])
    full = true
  }
  const run = await attempt(here, subject, async said => {
    if (said.text === instant) fill()
    if (instant !== STAGING || full || !/^before effect of (stage|volumes-staged-)/.test(said.text)) return
    void (async () => {
      for (const end = Date.now() + 2000; Date.now() < end && leftovers(site.data).length === 0;) await setTimeout(1)
      fill()
    })()
  }, async () => await whileFull())
  if (!full) return 'that instant did not come'
  const served = servedBy(site.data).hash
  if (served !== expected.before && served !== expected.after) return `serves neither the old nor the new: ${served}`
  if (run.fault !== undefined) return run.fault
  if (run.ending === undefined) {
    result.stopped++
    const code = /DD-[A-Z]+-\d+/.exec(run.said)?.[0] ?? ''
    result.codes.set(`ended: ${code}`, (result.codes.get(`ended: ${code}`) ?? 0) + 1)
    if (code !== 'DD-CORE-002') return `the process ended, and says ${run.said}`
  } else if (run.ending.state === 'failed') {
    result.failed++
    const { code = '', message = '', hint = '' } = { ...run.ending.error }
    result.codes.set(code, (result.codes.get(code) ?? 0) + 1)
    if (!['DD-CORE-002', 'DD-IMPORT-012'].includes(code)) return `failed as ${code} ${message}`
    if (!/^expected .+, found .+/.test(message) || !/free|space/.test(hint)) return `says ${message} · ${hint}`
    // Of a set, volumes that were verified and staged need not be brought again.
    const kept = subject.volumes.length > 1 ? /^staging\/[0-9a-f-]{36}\/(head\/|blobs\/[0-9a-f]{64}$)/ : undefined
    const left = leftovers(site.data).filter(path => kept?.test(path) !== true)
    staged(site.data)
    if (left.length > 0) return `failed, and leaves ${left.join(', ')}`
  } else {
    result.sufficed++
    if (run.ending.state !== subject.ends) return `ends ${run.ending.state}`
  }
  // There is space again.
  rmSync(ballast, { force: true })
  const again = await attempt(here, subject, () => undefined, undefined, 1)
  const { ending } = again
  if (ending?.state !== subject.ends) return `with space again it ends ${ending?.state} ${ending?.error?.code}: ${again.fault ?? again.said}`
  if (ending.receipt !== expected.ending.receipt || ending.promotions !== expected.ending.promotions || ending.audit !== null) return `in the end: receipt ${ending.receipt}, told ${ending.promotions} times, audit ${ending.audit}`
  if (servedBy(site.data).hash !== expected.after) return 'has ended and serves the old'
  const left = leftovers(site.data)
  return left.length === 0 ? undefined : `leaves ${left.join(', ')}`

  /** What people still can do. The new person is the proof that the reserve did its work: desired state and the audit log were written. */
  async function whileFull(): Promise<string | undefined> {
    const { stdout } = await runProgram('curl', { args: ['-sk', `${site.url}/files/a`] })
    if (stdout.toString() !== 'first') return `the mirror serves ${stdout.toString().slice(0, 200)}`
    await here.admin('POST', '/users', { name: 'nina', role: 'viewer' }, 'nina')
    const audited = String(await here.admin('GET', '/audit/export')).split('\n').filter(line => line.includes('/users'))
    if (audited.length === 0) return 'adding a person was not audited'
    return (await following.auditFault()) ?? undefined
  }
}

/** Starts it, brings the bundle, follows it until it ends or the process does; `look` is asked while it still runs. */
async function attempt({ site, following }: UpSite, subject: Case, at: (said: Said) => unknown, look?: () => Promise<string | undefined>, resumes = 0): Promise<{ ending: Ending | undefined; said: string; fault: string | undefined }> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'up-process.ts'), site.data, site.marks], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', NODE_COMPILE_CACHE: join(site.folder, 'cache') } })
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  child.on('message', (instant: Said) => void Promise.resolve(at(instant)).then(() => child.connected && child.send('go')))
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout!, 'data'), ended])
  const ending = await Promise.race([following.follow(subject, false, resumes).catch((failure: unknown) => void (said += String(failure))), ended.then(() => undefined), setTimeout(STUCK_MS, 'stuck' as const, { ref: false })])
  if (ending === 'stuck') {
    child.kill('SIGKILL')
    await ended
    return { ending: undefined, said, fault: `nothing happens for ${STUCK_MS / 1000} s, and the import has not ended` }
  }
  const found = ending !== undefined && look !== undefined ? await look().catch(String) : undefined
  child.kill('SIGTERM')
  await ended
  return { ending: ending ?? undefined, said, fault: found }
}

export function report(name: CaseName, { trials, failed, stopped, sufficed, codes, instants, faults }: Full, seed: number, seconds: number): string {
  const by = [...codes].map(([code, times]) => `${times} ${code}`).join(', ')
  return [`${name}: ${trials} times full at ${instants.size} instants: ${failed} failed, ${stopped} ended the process, ${sufficed} had enough (${by}); seed ${seed}, ${seconds.toFixed(0)} s, ${faults.length} faults`, ...faults.map(fault => `  ${fault}`)].join('\n')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { trials: { type: 'string', default: '40' }, seed: { type: 'string', default: '1' }, part: { type: 'string', default: '1/1' }, case: { type: 'string' } } })
  const [part = 1, parts = 1] = values.part.split('/').map(Number)
  for (const name of CASE_NAMES.filter(each => (values.case === undefined ? ['one', 'set', 'delta'].includes(each) : each === values.case))) {
    const began = performance.now()
    const full = await fullDisks({ name, trials: Number(values.trials), seed: Number(values.seed), part, parts, say: line => process.stderr.write(`${name}: ${line}\n`) })
    process.stdout.write(`${report(name, full, Number(values.seed), (performance.now() - began) / 1000)}\n`)
    if (full.faults.length > 0) process.exitCode = 1
  }
}
