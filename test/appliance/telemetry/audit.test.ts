import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeKey, parsePublicKey, secretKeySigner, verifyDetached, type PublicKey } from '../../../bundles/openpgp/index.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import type { AuditRecord } from '../../../appliance/model/audit.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { openReserve } from '../../../appliance/state/reserve.ts'
import { auditDigest } from '../../../appliance/telemetry/audit-chain.ts'
import { openAuditLog } from '../../../appliance/telemetry/audit-log.ts'
import { verifyAudit } from '../../../appliance/telemetry/verify-audit.ts'

const made = await makeKey({ name: 'appliance', created: new Date(Date.now() - 60_000) })
const signer = await secretKeySigner({ armored: made.secret, what: 'test', clock: wallClock })
const publicKey = await parsePublicKey(made.public, 'test')

const by = (key: PublicKey) => async (bytes: Uint8Array, signature: string): Promise<boolean> => {
  try {
    return (await verifyDetached(bytes, signature, [key], new Date())).signatures.length === 1
  } catch {
    return false
  }
}
const verifySignature = by(publicKey)

function openIn(t: Test) {
  const folder = t.testdir()
  const database = openHistory(join(folder, 'h.sqlite'))
  const headFile = join(folder, 'head.json')
  const audit = openAuditLog({ database, clock: wallClock, log: silentLog, reserve: openReserve(join(folder, 'reserve'), 4096), signer, applianceId: 'a', headFile })
  return { audit, database, headFile }
}

const entry = (n: number) => ({ actor: 'ana', action: 'POST /api/v1/pools', subject: `pool:p${n}`, outcome: 'allowed' as const, fields: { n } })

/** Six records, a head after the third and one after the last. */
async function exported(t: Test): Promise<{ lines: string[]; head: { seq: number; digest: string } }> {
  const { audit, headFile } = openIn(t)
  for (let n = 1; n <= 3; n++) audit.record(entry(n))
  await audit.seal()
  for (let n = 4; n <= 6; n++) audit.record(entry(n))
  const lines = await audit.export()
  const { head } = JSON.parse(readFileSync(headFile, 'utf8')) as { head: { seq: number; digest: string } }
  return { lines, head }
}

const isRecord = (line: string): boolean => line.startsWith('{"record"')
const recordOf = (line: string): AuditRecord => (JSON.parse(line) as { record: AuditRecord }).record

await t.test('an exported log verifies on another machine with nothing but the public key', async t => {
  const { lines, head } = await exported(t)
  t.same(await verifyAudit(lines, { verifySignature, expect: head }), { records: 6, heads: 2, last: { seq: 6, digest: head.digest } })
})

await t.test('every way of changing it is noticed, and where', async t => {
  const { lines, head } = await exported(t)
  const at = (seq: number): number => lines.findIndex(line => isRecord(line) && recordOf(line).seq === seq)
  const changed = (change: (copy: string[]) => string[]): string[] => change([...lines])
  const edited = (line: string): string => line.replace('pool:p2', 'pool:p9')
  const rechained = (copy: string[]): string[] => {
    let previous = `sha256:${'0'.repeat(64)}`
    let seq = 0
    return copy.map(line => {
      if (!isRecord(line)) return line
      const record: AuditRecord = { ...recordOf(line), seq: (seq += 1), previous }
      previous = auditDigest(record)
      return JSON.stringify({ record: { ...record, digest: previous } })
    })
  }
  const attacks: [string, string[], RegExp][] = [
    ['editing a record', changed(copy => copy.with(at(2), edited(copy[at(2)] ?? ''))), /record 2 whose content/],
    ['deleting a record', changed(copy => copy.toSpliced(at(2), 1)), /record 3 where 2 must stand/],
    ['deleting the first record', changed(copy => copy.toSpliced(0, 1)), /record 2 where 1 must stand/],
    ['swapping two records', changed(copy => copy.with(at(1), copy[at(2)] ?? '').with(at(2), copy[at(1)] ?? '')), /record 2 where 1 must stand/],
    ['cutting off the end in the middle', changed(copy => copy.slice(0, at(5) + 1)), /2 records after the last signed head/],
    ['cutting off the end at a head', changed(copy => copy.slice(0, at(4))), /the end at record 3, but record 6 was seen before/],
    ['editing and making the chain again', rechained(changed(copy => copy.with(at(2), edited(copy[at(2)] ?? '')))), /signed head of record 3 that says otherwise/],
    ['deleting and making the chain again', rechained(changed(copy => copy.toSpliced(at(2), 1))), /signed head of record 3 that says otherwise/],
    ['forging a head', changed(copy => copy.map(line => (isRecord(line) ? line : line.replace(/"at":"\d{4}/, '"at":"1999')))), /did not sign/],
    ['a line of something else', changed(copy => [...copy, 'x']), /neither a record nor a signed head/],
    ['emptying it', [], /the end at record 0/],
  ]
  for (const [what, tampered, message] of attacks) {
    await t.rejects(verifyAudit(tampered, { verifySignature, expect: head }), { code: 'DD-STATE-011', message }, what)
  }
  const other = await makeKey({ name: 'other', created: new Date(Date.now() - 60_000) })
  const otherKey = await parsePublicKey(other.public, 'test')
  await t.rejects(
    verifyAudit(lines, { verifySignature: by(otherKey) }),
    { code: 'DD-STATE-011', message: /did not sign/ },
    'the key of another appliance',
  )
})

await t.test('when the record cannot be written, the action is refused', async t => {
  const { audit, database } = openIn(t)
  audit.record(entry(1))
  await audit.close()
  database.close()
  t.throws(() => audit.record(entry(2)), { code: 'DD-STATE-010' })
})

await t.test('the chain goes on after a restart, and heads are signed without being asked for', async t => {
  const { audit, database } = openIn(t)
  audit.record(entry(1))
  await audit.close()
  const again = openAuditLog({ database, clock: wallClock, log: silentLog, reserve: openReserve('/nonexistent/reserve'), signer, applianceId: 'a', headFile: join(t.testdirName, 'head2.json') })
  again.record(entry(2))
  const lines = await again.export()
  t.equal(lines.filter(line => !isRecord(line)).length, 2)
  t.match(await verifyAudit(lines, { verifySignature }), { records: 2 })
  t.same(again.list({ after: 1 }).map(record => record.subject), ['pool:p2'])
})

await t.test('on a full disk the reserve carries the signed head too, so that the log can be exported', { skip: process.getuid?.() === 0 ? false : 'mounts need root' }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-audit-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'drydock-test', folder])
  t.teardown(() => {
    execFileSync('umount', [folder])
    rmdirSync(folder)
  })
  const reserve = openReserve(join(folder, 'reserve'), 128 * 1024)
  await reserve.hold()
  const { database } = openIn(t)
  t.teardown(() => database.close())
  const audit = openAuditLog({ database, clock: wallClock, log: silentLog, reserve, signer, applianceId: 'a', headFile: join(folder, 'head.json') })
  audit.record(entry(1))
  await audit.seal()
  fill(join(folder, 'filler'))
  audit.record(entry(2))
  t.match(await verifyAudit(await audit.export(), { verifySignature }), { records: 2 })
  t.match(readFileSync(join(folder, 'head.json'), 'utf8'), /"seq":2/)
  t.equal(statSync(join(folder, 'reserve')).size, 0, 'the reserve was given')
})

await t.test('on a full disk the reserve carries the record; when that is used up, the action is refused', { skip: process.getuid?.() === 0 ? false : 'mounts need root' }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-audit-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'drydock-test', folder])
  t.teardown(() => {
    execFileSync('umount', [folder])
    rmdirSync(folder)
  })
  const reserve = openReserve(join(folder, 'reserve'), 128 * 1024)
  await reserve.hold()
  const database = openHistory(join(folder, 'h.sqlite'))
  t.teardown(() => database.close())
  const audit = openAuditLog({ database, clock: wallClock, log: silentLog, reserve, signer, applianceId: 'a', headFile: join(t.testdir(), 'head.json') })
  audit.record(entry(1))
  fill(join(folder, 'filler'))
  let written = 1
  t.throws(() => {
    for (; written < 5000; written++) audit.record(entry(written + 1))
  }, { code: 'DD-STATE-010' })
  t.equal(statSync(join(folder, 'reserve')).size, 0, 'the reserve was given')
  t.ok(written > 20, `${written} records were written on the full disk`)
  t.equal(audit.list({ limit: 10_000 }).length, written)
  await audit.close()
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
}
