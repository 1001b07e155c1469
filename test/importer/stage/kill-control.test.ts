import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { Trust } from '../../../bundles/format/trust.ts'
import { person } from '../../support/bundles.ts'
import { recallBundle, recallOf, trustBundle, trustFor } from '../../support/control.ts'
import { openSite, type Site } from '../../support/import-site.ts'

/** The others are the same as those of every import: see kill.test.ts. */
const STEPS = { trust: ['read', 'awaiting', 'promote', 'receipt', 'mark'], recall: ['promote', 'mark'] }

t.setTimeout(280_000)
const [ana, jon, rex, appliance] = (await Promise.all(['Ana', 'Jon', 'Rex', 'appliance'].map(name => person(name)))) as [Person, Person, Person, Person]
type Person = Awaited<ReturnType<typeof person>>
const first = trustFor(1, { root: [ana], release: [ana], recall: [rex] })
/** Ana, who signs it, is revoked by it: a run after a kill must not judge it by itself. */
const second = trustFor(2, { root: [jon], release: [jon], recall: [rex] }, {}, [ana])

type Ran = { status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

/** One process after the other over one folder, each killed at the next instant; after each death the trust is the old or the new one, whole. */
async function killedEverywhere(test: Test, base: string, steps: readonly string[], bundle: string, check: (folder: string) => void): Promise<Site> {
  const folder = join(base, 'site')
  mkdirSync(folder)
  writeFileSync(join(folder, 'people.json'), JSON.stringify({ trust: first, secret: appliance.secret, publicKey: appliance.public }))
  const run = async (): Promise<Ran> => {
    const { promise, resolve } = Promise.withResolvers<Ran>()
    const child = execFile(process.execPath, [join(import.meta.dirname, 'import-process.ts'), folder, bundle, '--kill'], { env: { ...process.env, KILL_STEPS: `^(${steps.join('|')})$`, NODE_COMPILE_CACHE: join(folder, 'cache') } }, (_failure, stdout, stderr) => resolve({ status: child.exitCode, signal: child.signalCode, stdout, stderr }))
    return await promise
  }
  let kills = 0
  let last = await run()
  for (; last.signal === 'SIGKILL' && kills < 200; last = await run()) {
    kills++
    check(folder)
  }
  test.match(last, { status: 0, stdout: /"succeeded","state":"imported"/ }, `after ${kills} kills: ${last.stderr}`)
  test.comment(`${kills} kills`)
  const hits = new Set(readFileSync(join(folder, 'hits'), 'utf8').split('\n'))
  for (const step of steps) for (const phase of ['intent', 'effect', 'result']) for (const when of ['before', 'after']) test.ok(hits.has(`${when} ${phase} of ${step}`), `killed ${when} the ${phase} of ${step}`)
  test.same(readdirSync(join(folder, 'staging')), [])
  return await openSite(test, { trust: first, folder, appliance })
}

await t.test('a new trust that is killed at every instant is the old one or the new one, and ends as the new one, told once', async t => {
  const base = t.testdir()
  const { file } = await trustBundle(join(base, 'bundle'), second, [ana.signer, jon.signer])
  const versions: number[] = []
  const site = await killedEverywhere(t, base, STEPS.trust, file, folder => {
    const inForce = (() => {
      try {
        return JSON.parse(readFileSync(join(folder, 'trust-in-force.json'), 'utf8')) as Trust
      } catch {
        return first
      }
    })()
    versions.push(inForce.version)
    t.same(inForce, inForce.version === 1 ? first : second)
  })
  t.same(versions, versions.toSorted((a, b) => a - b), 'never back')
  t.same(site.trust(), second)
  t.equal(site.marks.trust()?.version, 2)
  t.same(site.events().filter(({ type }) => type.startsWith('trust.')).map(({ type }) => type), ['trust.changed', 'trust.revoked'])
  t.same(site.imports.list().map(({ state, approvals }) => [state, approvals.length]), [['imported', 2]])
})

await t.test('a recall that is killed at every instant withdraws nothing or all of it, and ends withdrawn, told once', async t => {
  const base = t.testdir()
  const { file } = await recallBundle(join(base, 'bundle'), [recallOf({ id: 'r-1', digests: [digestOf('a'), digestOf('b')] })], [rex.signer])
  const counts: number[] = []
  const site = await killedEverywhere(t, base, STEPS.recall, file, folder => {
    const marks = JSON.parse(readFileSync(join(folder, 'marks', 'marks.json'), 'utf8')) as { appliances?: { this?: { recalls?: { digests: string[] }[] } } }
    counts.push(marks.appliances?.this?.recalls?.[0]?.digests.length ?? 0)
  })
  t.same([...new Set(counts)], [0, 2])
  t.same([site.withdrawn.byDigest(digestOf('a'))?.id, site.withdrawn.byDigest(digestOf('b'))?.id], ['r-1', 'r-1'])
  t.equal(site.marks.get('recall')?.sequence, 1)
  t.same(site.events().filter(({ type }) => type.startsWith('recall.')).map(({ type }) => type), ['recall.applied'])
})
