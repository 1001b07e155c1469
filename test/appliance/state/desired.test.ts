import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestFromHex } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import type { Desired } from '../../../appliance/model/desired.ts'
import { createDesired, openDesired } from '../../../appliance/state/desired-store.ts'
import { unseal } from '../../../appliance/state/envelope.ts'
import { openReserve } from '../../../appliance/state/reserve.ts'

const KEY = 'A'.repeat(40)
const role = { threshold: 1, keys: [KEY] }
const FIRST: Desired = {
  siteId: 'site-a',
  trust: { version: 1, keys: [{ fingerprint: KEY, keySha256: digestFromHex('0'.repeat(64)), publicKey: 'armored', name: 'Ana' }], roles: { root: role, release: role, recall: role } },
  policy: { approvals: 1, separate: true },
  users: {},
  tokens: {},
  connections: { hypervisors: {}, ci: {} },
  pools: {},
}

function stop(error: DrydockError): never {
  throw error
}

function optionsIn(folder: string) {
  return { path: join(folder, 'desired.json'), reserve: openReserve(join(folder, 'reserve'), 64 * 1024), stop }
}

/** Serial 1 has no approvals policy of 2, serial 2 has. */
async function twoSerials(t: Test): Promise<string> {
  const folder = t.testdir()
  await createDesired(optionsIn(folder), FIRST)
  const store = await openDesired(optionsIn(folder))
  await store.update(draft => {
    draft.policy.approvals = 2
  })
  return folder
}

await t.test('what was decided is there after a restart, with its serial, 0600, and the one before it', async t => {
  const folder = await twoSerials(t)
  const store = await openDesired(optionsIn(folder))
  t.equal(store.serial, 2)
  t.equal(store.read().policy.approvals, 2)
  t.equal(store.fault, null)
  t.same(readdirSync(folder).toSorted(), ['desired.json', 'desired.json.prev'], 'and no temporary file is left')
  t.equal(statSync(join(folder, 'desired.json')).mode & 0o777, 0o600)
  const [now, before] = ['desired.json', 'desired.json.prev'].map(name => unseal(readFileSync(join(folder, name), 'utf8')))
  t.equal(now?.previous, before?.digest)
})

await t.test('a reader cannot change it, a change that fails changes nothing, and one that changes nothing writes nothing', async t => {
  const folder = await twoSerials(t)
  const store = await openDesired(optionsIn(folder))
  t.throws(() => {
    store.read().policy.approvals = 9
  }, TypeError)
  await t.rejects(store.update(() => stop(new DrydockError('DD-POOL-001', 'x', 'y'))), { code: 'DD-POOL-001' })
  await t.rejects(store.update(draft => {
    draft.policy.approvals = -1
  }), { code: 'DD-STATE-007' })
  await store.update(() => undefined)
  t.equal(store.serial, 2)
  t.equal(store.read().policy.approvals, 2)
  await Promise.all([1, 2, 3, 4, 5].map(async () => await store.update(draft => {
    draft.policy.approvals += 1
  })))
  t.equal(store.read().policy.approvals, 7, 'updates at once follow each other')
})

const damages: Record<string, (path: string) => void> = {
  torn: path => writeFileSync(path, readFileSync(path).subarray(0, 400)),
  emptied: path => writeFileSync(path, ''),
  'filled with NUL': path => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  'edited in its body': path => writeFileSync(path, readFileSync(path, 'utf8').replace('site-a', 'site-b')),
  'edited in its serial': path => writeFileSync(path, readFileSync(path, 'utf8').replace(/"serial":\d/, '"serial":9')),
  'made a symlink': path => {
    copyFileSync(path, `${path}.elsewhere`)
    rmSync(path)
    symlinkSync(`${path}.elsewhere`, path)
  },
  'made a folder': path => {
    rmSync(path)
    mkdirSync(path)
  },
  missing: path => rmSync(path),
}

for (const [damage, apply] of Object.entries(damages)) {
  await t.test(`when the newest copy is ${damage}, the previous one is used and said so`, async t => {
    const folder = await twoSerials(t)
    apply(join(folder, 'desired.json'))
    const store = await openDesired(optionsIn(folder))
    t.equal(store.serial, 1)
    t.equal(store.read().policy.approvals, 1)
    t.match(store.fault, /desired\.json is (damaged|missing)/)
  })

  await t.test(`when both copies are ${damage}, it is fatal and never empty`, async t => {
    const folder = await twoSerials(t)
    for (const name of ['desired.json', 'desired.json.prev']) apply(join(folder, name))
    await t.rejects(openDesired(optionsIn(folder)), { code: damage === 'missing' ? 'DD-STATE-004' : 'DD-STATE-005' })
  })
}

await t.test('a planted symlink in the place of a file is never written through', async t => {
  const folder = await twoSerials(t)
  const outside = join(folder, 'outside')
  writeFileSync(outside, 'mine')
  rmSync(join(folder, 'desired.json'))
  symlinkSync(outside, join(folder, 'desired.json'))
  const store = await openDesired(optionsIn(folder))
  await store.update(draft => {
    draft.policy.approvals = 5
  })
  t.equal(readFileSync(outside, 'utf8'), 'mine')
  t.equal((await openDesired(optionsIn(folder))).read().policy.approvals, 5)
})

await t.test('a full disk: the reserve carries the write; when it is used up, the write fails and the old state stays', { skip: process.getuid?.() === 0 ? false : 'mounts need root' }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'drydock-test', folder])
  t.teardown(() => {
    execFileSync('umount', [folder])
    rmdirSync(folder)
  })
  const options = optionsIn(folder)
  await createDesired(options, FIRST)
  t.equal(await options.reserve.hold(), 'held')
  const store = await openDesired(options)
  fill(join(folder, 'filler'))
  await store.update(draft => {
    draft.policy.approvals = 2
  })
  t.equal(statSync(join(folder, 'reserve')).size, 0, 'the reserve was given')
  fill(join(folder, 'filler-2'))
  await t.rejects(store.update(draft => {
    draft.policy.approvals = 3
  }), { code: 'DD-CORE-002' })
  t.equal(store.read().policy.approvals, 2)
  const again = await openDesired(options)
  t.equal(again.read().policy.approvals, 2)
  t.equal(again.fault, null)
  t.notOk(readdirSync(folder).some(name => name.endsWith('.tmp')), 'and the short write left nothing behind')
  t.equal(await options.reserve.hold(), 'no-space')
  rmSync(join(folder, 'filler'))
  t.equal(await options.reserve.hold(), 'held', 'with space again the reserve is held again')
})

/** Writes until the kernel says no, the last bytes one by one. */
function fill(path: string): void {
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
    for (;;) {
      try {
        writeFileSync(path, Buffer.alloc(size), { flag: 'a' })
      } catch {
        break
      }
    }
  }
  if (!existsSync(path)) writeFileSync(path, '')
}

await t.test('a disk that does not confirm a write stops the process', async t => {
  const folder = await twoSerials(t)
  // A folder that is not empty in the place of the file: its rename fails after every byte was written.
  rmSync(join(folder, 'desired.json'))
  mkdirSync(join(folder, 'desired.json', 'x'), { recursive: true })
  const store = await openDesired(optionsIn(folder))
  await t.rejects(store.update(draft => {
    draft.policy.approvals = 3
  }), { code: 'DD-STATE-006' })
  t.equal(store.read().policy.approvals, 1)
  t.match(readFileSync(join(folder, 'desired.json.prev'), 'utf8'), /"serial":1/, 'and the good copy is still the one before')
})
