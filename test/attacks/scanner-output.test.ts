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
  t.match(findings('/scan/files/000001-a.tgz: Evil in a', 'b FOUND'), [{ item: THE_BUNDLE, code: 'scanner-found', text: 'own found b in the bundle' }], 'a name with a line end')
  t.match(findings('/scan/files/000001-a.tgz: Evil FOUND\r'), [{ item: 'npm:a@1' }], 'lines as Windows ends them')
  t.match(findings('/scan/files/000001-a.tgz: Evil \u001b[2K\u202e FOUND')[0]?.text, /^own found Evil [^\p{Cc}\p{Cf}]+ in a 1 \(a\.tgz\)$/u, 'control characters are shown, not sent')
  t.same(findingsIn('own', 0, 'Viruses: none FOUND', view, () => undefined), [], 'a summary of one that found nothing is none')
})
