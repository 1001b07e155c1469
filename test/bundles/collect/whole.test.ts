import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { digestOfFile } from '../../../appliance/core/digest.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { CollectionLock } from '../../../bundles/format/collection-lock.ts'
import { itemKey } from '../../../bundles/format/item.ts'

const LAUNCHER = join(import.meta.dirname, '../../../appliance/main/drydock')
const WISH = `apiVersion: drydock/v1
kind: Collection
name: small
apt: { suites: [bookworm, bookworm-security], packages: [hello] }
npm: { projects: [web] }
pypi: { requirements: [idna==3.10] }
files: [{ path: a.txt, to: docs }]
`

const PROJECT = {
  'package.json': '{ "name": "web", "dependencies": { "ms": "2.1.3", "@types/ms": "2.1.0" } }',
  'package-lock.json': '{ "lockfileVersion": 3, "packages": { "": { "name": "web" }, "node_modules/ms": { "version": "2.1.3" }, "node_modules/@types/ms": { "version": "2.1.0" } } }',
}

type Said = { type: string; digest?: string; fetchedBytes?: number; done?: number }

async function run(folder: string, workspace: string): Promise<Said[]> {
  const { stdout } = await runProgram(LAUNCHER, { args: ['--json', 'bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', workspace], env: process.env })
  return stdout.toString('utf8').trim().split('\n').map(line => JSON.parse(line) as Said)
}

t.setTimeout(240_000)

await t.test('a collect from the registries of this machine, killed in the middle, goes on, and the next one fetches only what changed', async t => {
  const folder = t.testdir({ 'collection.yaml': WISH, 'a.txt': 'a file', web: PROJECT })
  const workspace = join(folder, 'workspace')
  const killed = spawn(LAUNCHER, ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', workspace], { stdio: 'ignore' })
  const ended = once(killed, 'exit')
  await firstBlobs(join(workspace, 'blobs'), 3)
  killed.kill('SIGKILL')
  await ended
  t.notOk((await readdir(workspace)).includes('lock.json'), 'a lock is written last')

  const first = (await run(folder, workspace)).at(-1)!
  const lock = checkShape(CollectionLock, JSON.parse(await readFile(join(workspace, 'lock.json'), 'utf8')), 'lock.json')
  t.strictSame([...new Set(lock.items.map(item => item.kind))].toSorted((a, b) => (a < b ? -1 : 1)), ['deb', 'file', 'npm', 'pypi'])
  t.ok(lock.items.some(item => item.name === 'libc6'), 'dependencies come along')
  const keys = lock.items.map(itemKey)
  t.strictSame(keys, keys.toSorted((a, b) => (a < b ? -1 : 1)), 'items stand in the order of their keys')
  for (const blob of lock.items.flatMap(item => item.blobs)) {
    const found = await digestOfFile(join(workspace, 'blobs', blob.digest.slice(7)))
    if (found.digest !== blob.digest || found.size !== blob.size) t.fail(`${blob.name} is not what the lock says`)
  }

  await writeFile(join(folder, 'a.txt'), 'a change')
  const changed = await run(folder, workspace)
  t.ok(changed.some(said => said.type === 'progress'))
  t.match(changed.at(-1), { type: 'collected', fetchedBytes: 'a change'.length })
  t.not(changed.at(-1)?.digest, first.digest)
})

async function firstBlobs(folder: string, count: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if ((await readdir(folder).catch(() => [])).filter(name => !name.startsWith('.')).length >= count) return
    await pause(20)
  }
  throw new TypeError('expected blobs within 12 s, found too few')
}

await t.test('a mistake in the collection ends in three lines and exit code 2', async t => {
  const folder = t.testdir({ 'collection.yaml': `${WISH}extra: 1\n` })
  const { stderr, code } = await runProgram(LAUNCHER, { args: ['bundle', 'collect', join(folder, 'collection.yaml'), '--workspace', join(folder, 'w')], env: process.env, accept: [2] })
  t.equal(code, 2)
  t.match(stderr, /expected only known fields in collection .*, found "extra"\ndo: .*DD-CORE-009/)
})
