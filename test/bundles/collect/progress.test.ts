import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startMeter, type CollectProgress } from '../../../bundles/collect/progress.ts'
import { runDrydock } from '../../appliance/cli/run-drydock.ts'
import { startLoopback } from './support/loopback.ts'
import { randomBytes } from './support/cutting.ts'

t.setTimeout(120_000)

function metered() {
  let seconds = 0
  const all: CollectProgress[] = []
  const meter = startMeter(progress => all.push(progress), () => seconds * 1000)
  return {
    meter,
    /** What is told so many seconds after the beginning. */
    at(time: number) {
      seconds = time
      meter.tell()
      return all.at(-1)!
    },
  }
}

await t.test('the end is told as soon as every size is known, and not before', async t => {
  const { meter, at } = metered()
  t.teardown(() => meter.stop())
  const resolved = meter.resolving()
  meter.planned(2)
  const [one, two] = [meter.coming(), meter.coming()]
  one.left(3000)
  t.match(at(0), { totalBytes: null, etaSeconds: null, bytesPerSecond: null })
  two.left(1000)
  t.match(at(1), { totalBytes: null }, 'somebody still finds out what there is')
  resolved()
  meter.received(1000)
  one.left(2000)
  t.match(at(4), { bytes: 1000, totalBytes: 4000, bytesPerSecond: 250, etaSeconds: 12 })
  for (const [coming, bytes] of [[one, 2000], [two, 1000]] as const) {
    meter.received(bytes)
    coming.left(0)
    coming.end()
    meter.finished(1)
  }
  t.match(at(5), { done: 2, total: 2, bytes: 4000, totalBytes: 4000, etaSeconds: 0 })
})

await t.test('where sizes are not known the mean of what came is an estimate, and no total', async t => {
  const { meter, at } = metered()
  t.teardown(() => meter.stop())
  meter.planned(10)
  at(0)
  const all = Array.from({ length: 10 }, () => meter.coming())
  t.match(at(3), { etaSeconds: null }, 'nothing came yet')
  for (const coming of all.slice(0, 5)) {
    coming.left(100)
    meter.received(100)
    coming.left(0)
    coming.end()
    meter.finished(1)
  }
  t.match(at(5), { totalBytes: null, bytesPerSecond: 100, etaSeconds: 5 })
})

await t.test('bytes that another program loads count once', async t => {
  const { meter, at } = metered()
  t.teardown(() => meter.stop())
  meter.planned(2)
  const coming = meter.coming()
  coming.left(1000)
  meter.inFlight(400)
  t.match(at(1), { bytes: 400, totalBytes: 1000 })
  meter.received(500)
  meter.inFlight(0)
  coming.left(500)
  t.match(at(2), { bytes: 500, totalBytes: 1000 })
})

await t.test('a collect and a build tell bytes, speed and time left with --json, and only ever rise', async t => {
  const server = await startLoopback()
  t.teardown(() => server.close())
  const content = randomBytes(6 * 1024 * 1024, 'slow')
  // A quarter of a MiB each 300 ms.
  server.files.set('/slow.bin', response => {
    response.writeHead(200, { 'content-length': content.length })
    let at = 0
    const timer = setInterval(() => {
      response.write(content.subarray(at, (at += 256 * 1024)))
      if (at < content.length) return
      clearInterval(timer)
      response.end()
    }, 300)
  })
  const folder = t.testdir()
  await writeFile(join(folder, 'collection.yaml'), JSON.stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'test', files: [{ url: `${server.url}/slow.bin`, sha256: createHash('sha256').update(content).digest('hex') }] }))
  type Told = { type: string; phase: string; done: number; total: number; bytes: number; totalBytes: number | null; bytesPerSecond: number | null; etaSeconds: number | null; words: string }
  const progress = async (...words: string[]): Promise<Told[]> => {
    const run = await runDrydock(['bundle', ...words, '--json'])
    t.equal(run.code, 0, run.err)
    return (run.records() as unknown as Told[]).filter(({ type }) => type === 'progress')
  }
  const collected = await progress('collect', join(folder, 'collection.yaml'), '--workspace', join(folder, 'ws'))
  const known = collected.filter(({ etaSeconds }) => etaSeconds !== null && etaSeconds > 0)
  t.ok(known.length > 0, JSON.stringify(collected))
  t.ok(known.every(({ totalBytes, bytesPerSecond, words }) => totalBytes === content.length && bytesPerSecond! > 0 && /of 6\.0 MiB · .*\/s · ETA \d+ s$/.test(words)), JSON.stringify(known))
  t.same(collected.map(({ bytes }) => bytes), collected.map(({ bytes }) => bytes).toSorted((a, b) => a - b))
  t.match(collected.at(-1), { done: 1, total: 1, bytes: content.length, totalBytes: content.length, etaSeconds: 0 })

  const built = await progress('build', join(folder, 'ws'), '--site', 'site-a', '--out', join(folder, 'out'), '--volume', '4000000', '--parity', '1')
  t.same([...new Set(built.map(({ phase }) => phase))], ['cut', 'compute parity', 'write and read back'])
  for (const phase of Map.groupBy(built, each => each.phase).values()) {
    t.same(phase.map(({ done }) => done), phase.map(({ done }) => done).toSorted((a, b) => a - b))
    t.equal(phase.at(-1)?.done, phase.at(-1)?.total, `${phase[0]?.phase} ends at its total`)
  }
})
