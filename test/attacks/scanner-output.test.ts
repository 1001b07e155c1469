import t from 'tap'
import { digestOf } from '../../appliance/core/digest.ts'
import { findingsIn } from '../../importer/scan/output.ts'
import type { View } from '../../importer/scan/view.ts'

const THE_BUNDLE = 'the bundle'
const view: View = { folder: '', purpose: 'import', paths: [], unopened: [], closed: new Set(), of: path => (path === '/scan/files/000001-a.tgz' ? { digest: digestOf('a'), items: [{ key: 'npm:a@1', label: 'a 1' }], blob: 'a.tgz' } : undefined) }
const warning = '/scan/files/000001-a.tgz: something odd WARNING'
const findings = (...lines: string[]) => findingsIn('own', 1, [warning, ...lines].join('\n'), view, () => undefined).filter(({ severity }) => severity === 'blocker')

await t.test('names inside of an archive that a scanner quotes cannot hide what it found beside a harmless line', async t => {
  const long = findings(`/scan/files/000001-a.tgz: Evil in ${'x/'.repeat(2000)}y FOUND`)
  t.match(long, [{ item: 'npm:a@1', code: 'scanner-found' }], 'a name that is long')
  t.ok(long[0]!.text.length < 500, 'and it is cut')
  t.match(findings('/scan/files/000001-a.tgz: Evil in a', 'b FOUND'), [{ item: 'npm:a@1', code: 'scanner-found', text: 'own found Evil in a in a 1 (a.tgz)' }], 'a name with a line end')
  t.match(findings('a/member: Evil in a', 'b FOUND'), [{ item: THE_BUNDLE, code: 'scanner-found', text: 'own found b in the bundle' }], 'and one in a line that names no file of ours')
  t.match(findings('/scan/files/000001-a.tgz: Evil FOUND\r'), [{ item: 'npm:a@1' }], 'lines as Windows ends them')
  t.match(findings('/scan/files/000001-a.tgz: Evil \u001b[2K\u202e FOUND')[0]?.text, /^own found Evil [^\p{Cc}\p{Cf}]+ in a 1 \(a\.tgz\)$/u, 'control characters are shown, not sent')
  t.same(findingsIn('own', 0, 'Viruses: none FOUND', view, () => undefined), [], 'a summary of one that found nothing is none')
})

const two: View = { ...view, closed: new Set(['/scan/files/000001-a.zst']), of: path => (['/scan/files/000001-a.zst', '/scan/files/000002-b.tgz'].includes(path) ? { digest: digestOf(path), items: [{ key: `file:${path.slice(-5)}@1`, label: path.slice(-5) }], blob: path.slice(-5) } : undefined) }
const EVIL = '/scan/files/000002-b.tgz: Eicar in x'

await t.test('a name with a line end cannot give a finding another file, another name or another weight', async t => {
  const stops = (scanner: string, lines: string[], dismissed = ''): unknown[] => findingsIn(scanner, 1, lines.join('\n'), two, ({ what }) => (what === dismissed ? 'a false alarm' : undefined)).filter(({ severity }) => severity === 'blocker').map(({ item }) => item)
  t.same(stops('own', [EVIL, '/scan/files/000001-a.zst: Drydock.Nested.Zstd.UNOFFICIAL FOUND']), ['file:b.tgz@1', 'file:a.zst@1'], 'signatures of ours are names like all others in the mouth of another scanner')
  for (const what of ['Heuristics.Limits.Exceeded.MaxFileSize', 'Heuristics.Encrypted.Zip']) t.same(stops('own', [`/scan/files/000002-b.tgz: ${what} FOUND`]), ['file:b.tgz@1'], what)
  t.same(stops('own', [EVIL, '/scan/files/000001-a.zst: Wrong FOUND'], 'Wrong'), ['file:b.tgz@1'], 'a dismissed name in other bytes covers nothing')
  t.same(stops('own', [`${EVIL} OK`, '/scan/files/000001-a.zst: Wrong FOUND'], 'Wrong'), ['file:b.tgz@1'], 'nor does a name that ends like a file that is clean')
  t.same(stops('own', ['/scan/files/000001-a.zst: OK', '/scan/files/000009-z: what is no file of ours', '/scan/files/000002-b.tgz: Evil FOUND']), ['file:b.tgz@1'], 'a file that is clean stops nothing')
  t.same(findingsIn('own', 0, `${EVIL}\n`, two, () => undefined), [], 'nor does anything that is said with exit 0')
  t.same(findingsIn('clamav', 1, '/scan/files/000001-a.zst: Drydock.Nested.Zstd.UNOFFICIAL FOUND', two, () => undefined), [], 'ClamAV says that of what was opened beside it')
})
