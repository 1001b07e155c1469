import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import { entry, joined, nameOf, split, type RawEntry } from '../attacks/hostile.ts'
import { RealSite, refusal } from './real-site.ts'

/** Several processes on a busy machine. */
t.setTimeout(280_000)

/** Sends it as far as it goes: refused in two lines, with nothing changed but the record that somebody tried. */
async function isRefused(t: Test, site: RealSite, path: string, code: ErrorCode, says: RegExp, output?: RegExp): Promise<void> {
  const before = site.fingerprint()
  await refusal(t, more => site.drydock('olga', ['import', 'run', path, '--yes', ...more]), code, says, output === undefined ? {} : { output })
  t.same(site.fingerprint(), before, `${code}: nothing changed`)
}

/** One bit of the first entry whose name begins so; `last` takes the last byte of the last one instead. */
const flip = (entries: readonly RawEntry[], name: string, at: number | 'last'): Buffer => {
  const begins = (each: RawEntry): boolean => nameOf(each).startsWith(name)
  const k = at === 'last' ? entries.findLastIndex(begins) : entries.findIndex(begins)
  return joined(entries.map((each, i) => (i === k ? { ...each, body: Buffer.from(each.body.map((byte, j) => (j === (at === 'last' ? each.body.length - 1 : at) ? byte ^ 1 : byte))) } : each)))
}

await t.test('a bundle that is not what enough people signed is refused in two lines, and the next good one comes in', async t => {
  const site = await RealSite.open(t)
  const good = await site.bundle()
  const entries = split(readFileSync(good))
  const put = (name: string, volume: Buffer): string => {
    const path = join(site.media, `${name}.drydock`)
    writeFileSync(path, volume)
    return path
  }

  await isRefused(t, site, await site.bundle({ signers: [] }), 'DD-TRUST-012', /expected 2 distinct release signatures on manifest\.json, found none/)
  await isRefused(t, site, await site.bundle({ signers: [site.keys.jon] }), 'DD-TRUST-012', /found 1 \(Jon Berg\)/)
  await isRefused(t, site, put('manifest', flip(entries, 'manifest.json', 40)), 'DD-TRUST-005', /signature by (Ana Ruiz|Jon Berg) to be over these bytes/)
  await isRefused(t, site, put('signature', flip(entries, 'manifest.json.asc', 60)), 'DD-TRUST-002', /signature/)
  await isRefused(t, site, put('index', flip(entries, 'index/', 9)), 'DD-BUNDLE-012', /index/)
  const preflight = /signed by {2}Ana Ruiz|signed by {2}Jon Berg/
  await isRefused(t, site, put('payload-first', flip(entries, 'blobs/', 0)), 'DD-BUNDLE-008', /sha256/i, preflight)
  await isRefused(t, site, put('payload-last', flip(entries, 'blobs/', 'last')), 'DD-BUNDLE-008', /./, preflight)
  await isRefused(t, site, put('stranger', joined([...entries, entry(`blobs/sha256/${'0'.repeat(64)}`, 'nobody signed this')])), 'DD-BUNDLE-006', /something follows its end/)
  await isRefused(t, site, put('cut', readFileSync(good).subarray(0, -2048)), 'DD-BUNDLE-005', /to be \d+ bytes, found it truncated to \d+/)
  await isRefused(t, site, put('empty', Buffer.alloc(0)), 'DD-BUNDLE-005', /./)
  await isRefused(t, site, put('photo', Buffer.from('\u0089PNG\r\n\u001a\n'.repeat(500), 'latin1')), 'DD-BUNDLE-003', /./)
  await isRefused(t, site, await site.bundle({ more: ['--site', 'site-b'] }), 'DD-IMPORT-001', /expected a bundle for site site-a, found one for site-b/)
  await refusal(t, more => site.drydock('olga', ['import', 'run', join(site.media, 'nowhere.drydock'), ...more]), 'DD-CLI-002', /expected a bundle at .+, found none/)
  await refusal(t, more => site.drydock('olga', ['import', 'run', '/etc/passwd', '--on-appliance', ...more]), 'DD-IMPORT-013', /media root/)

  await site.imports(t, good)
  await isRefused(t, site, good, 'DD-IMPORT-003', /sequence/)
  const audit = await site.must('admin', ['audit', 'list', '--json'])
  t.ok(audit.records().length > 20, 'every attempt stands in the audit log')
})
