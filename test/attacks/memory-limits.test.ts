import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import { RESERVE_BYTES } from '../../appliance/state/reserve.ts'
import { LAUNCHER } from '../appliance/cli/run-drydock.ts'
import { upSite } from '../crash/up-site.ts'
import { bundleOf } from '../support/bundles.ts'
import { canLimitMemory, memoryCgroup } from '../support/memory-cgroup.ts'
import { bombs } from './bombs.ts'

t.setTimeout(280_000)
const MIB = 1024 * 1024
/** For `up`, the process that unpacks, and whatever else they start, together. An import of good content needs about 300 MiB. */
const LIMIT = 512 * MIB

await t.test('what unfolds to more than a small machine has is refused by a whole appliance that may use 512 MiB, and the next good bundle comes in', { skip: canLimitMemory() ? false : 'memory limits need root and cgroup v1' }, async t => {
  const here = await upSite()
  t.teardown(() => here.close())
  const { site, olga, paul } = here
  const group = memoryCgroup('bombs', LIMIT)
  const [program, ...args] = [...group.prefix, LAUNCHER, 'up', ...site.flags, '--log-level', 'error']
  const up = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' } })
  t.teardown(async () => {
    if (up.exitCode === null && up.signalCode === null) {
      up.kill('SIGTERM')
      await once(up, 'exit')
    }
    await group.remove()
  })
  await once(createInterface({ input: up.stdout }), 'line')

  let brought = 0
  const imported = async (path: string): Promise<ImportRecord> => {
    const key = `bomb-${++brought}`
    const { id } = (await olga('POST', '/imports', { path }, key)) as { id: string }
    for (;;) {
      const record = (await olga('GET', `/imports/${id}`)) as ImportRecord
      if (record.state === 'verified') await olga('POST', `/imports/${id}/proceed`, {}).catch(here.following.unlessMoved(id, 'verified'))
      else if (record.state === 'awaiting-approval') await paul('POST', `/imports/${id}/approve`, {}).catch(here.following.unlessMoved(id, 'awaiting-approval'))
      else if (['imported', 'refused', 'failed', 'quarantined'].includes(record.state)) return record
      await setTimeout(20)
    }
  }
  const reserve = (): number => statSync(join(site.data, 'reserve')).size

  for await (const { why, file, ends } of bombs(join(site.media, 'bombs'), here.signers)) {
    const began = performance.now()
    const record = await imported(file)
    const told = record.error?.code ?? record.preflight?.findings.map(({ code }) => code).join(' ') ?? ''
    t.comment(`${why}: ${record.state} ${told} ${record.error?.message ?? record.preflight?.findings[0]?.text ?? ''} · ${(performance.now() - began).toFixed(0)} ms, ${Math.round(group.peak() / MIB)} MiB at most so far`)
    t.match(`${record.state} ${told}`, ends, why)
    t.equal(reserve(), RESERVE_BYTES, `${why}: the reserve is untouched`)
    t.equal(group.killed(), 0, `${why}: nothing ran out of memory`)
    t.equal(up.exitCode, null, `${why}: the appliance goes on`)
  }
  const good = await bundleOf({ folder: join(site.media, 'good'), signers: here.signers, stream: 'good', files: { 'good.bin': Buffer.alloc(40 * MIB, 'good') } })
  t.match(await imported(good.file), { state: 'imported' }, 'the next good bundle comes in')
  t.ok(group.peak() > 64 * MIB && group.peak() < LIMIT, `at most ${Math.round(group.peak() / MIB)} MiB of ${LIMIT / MIB}`)
})

await t.test('a group with a limit does kill what wants more', { skip: canLimitMemory() ? false : 'memory limits need root and cgroup v1' }, async t => {
  const group = memoryCgroup('control', 96 * MIB)
  const [program, ...args] = [...group.prefix, process.execPath, '-e', 'Buffer.alloc(200 * 1024 * 1024, 1)']
  const child = spawn(program!, args, { stdio: 'ignore' })
  await once(child, 'exit')
  t.ok(child.signalCode === 'SIGKILL' || child.exitCode === 137, `ended by ${child.signalCode}`)
  t.equal(group.killed(), 1)
  await group.remove()
})
