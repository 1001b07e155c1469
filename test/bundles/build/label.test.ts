import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { codeText, labelSvg, labelText, writeLabel, type LabelFacts } from '../../../bundles/build/index.ts'
import { encodeManifest } from '../../../bundles/format/manifest-file.ts'
import { bundleOf } from '../../support/bundles.ts'

t.setTimeout(120_000)

const files = { a: Buffer.alloc(70_000, 'a'), b: Buffer.alloc(70_000, 'b') }
const fingerprint = '0123456789ABCDEF0123456789ABCDEF01234567'

function labels(built: Awaited<ReturnType<typeof bundleOf>>, signers: LabelFacts['signers']): LabelFacts[] {
  const manifestDigest = digestOf(encodeManifest(built.manifest))
  return built.volumes.map(({ digest, size }, k) => ({ manifest: built.manifest, manifestDigest, number: k + 1, digest, size, signers }))
}

/** What a scanner reads from a label, as a printer would print it. */
function scanned(svg: string): string {
  execFileSync('rsvg-convert', ['--zoom', '1', '--width', '1600', '--keep-aspect-ratio', '--output', `${svg}.png`, svg])
  return execFileSync('zbarimg', ['--nodbus', '--quiet', '--raw', '-Sdisable', '-Sqrcode.enable', `${svg}.png`], { encoding: 'utf8' })
}

await t.test('a scanner reads the code of each label, and sha256sum takes what it read', async t => {
  const folder = t.testdir()
  const built = await bundleOf({ folder, files, signers: [], volumeBytes: 160 * 1024, parity: 1 })
  t.equal(built.volumes.length, 3)
  const check = join(folder, 'check')
  mkdirSync(check)
  for (const facts of labels(built, [{ name: 'Ana Ruiz', fingerprint }])) {
    const [svg = '', txt = ''] = await writeLabel(facts, join(folder, 'labels'))
    const read = scanned(svg)
    t.equal(read.trim(), codeText(facts).trim())
    t.ok(readFileSync(txt, 'utf8').endsWith(codeText(facts)))
    const { file } = built.volumes[facts.number - 1]!
    execFileSync('tar', ['-xf', file, '-C', check, 'manifest.json'])
    writeFileSync(join(check, basename(file)), readFileSync(file))
    t.match(execFileSync('sha256sum', ['-c'], { cwd: check, input: `${read.trim()}\n`, encoding: 'utf8' }), /drydock: OK\nmanifest\.json: OK/)
  }
  t.same(readdirSync(join(folder, 'labels')).filter(name => !name.endsWith('.png')).toSorted(), [
    'demo-0001.p1.label.svg', 'demo-0001.p1.label.txt', 'demo-0001.v1-of-2.label.svg', 'demo-0001.v1-of-2.label.txt', 'demo-0001.v2-of-2.label.svg', 'demo-0001.v2-of-2.label.txt',
  ])
})

await t.test('the text says what a person must know, in groups that can be read aloud', async t => {
  const built = await bundleOf({ folder: t.testdir(), files, signers: [], volumeBytes: 160 * 1024, parity: 1 })
  const [one, , parity] = labels(built, [{ name: 'Ana Ruiz', fingerprint }, { fingerprint }])
  const text = labelText(one!)
  const hex = hexOf(one!.digest)
  for (const said of ['bundle     demo', 'site       site-a', 'stream     demo, sequence 1', 'volume     1 of 2, and 1 parity', 'created    2026-01-01T00:00:00Z', 'signed by  Ana Ruiz 89AB CDEF 0123 4567', '           (not judged) 89AB CDEF 0123 4567', `${one!.size} bytes`, `volume     ${hex.slice(0, 8)} ${hex.slice(8, 16)}`]) t.ok(text.includes(said), said)
  t.match(labelText(parity!), /volume {5}parity 1 of 1, for 2 volumes/)
  t.match(labelText({ ...one!, signers: [] }), /signed by {2}nobody yet/)
  t.match(labelText({ ...one!, signers: Array.from({ length: 9 }, () => ({ fingerprint })) }), /and 4 more/)
})

await t.test('names that would be markup or move a cursor are only text, and long ones do not reach the code', async t => {
  const folder = t.testdir()
  const name = 'n'.repeat(63)
  const built = await bundleOf({ folder, files, signers: [], name, stream: 's'.repeat(63), sequence: 123_456 })
  const evil = '</text><script>alert(1)</script>&amp;"\'\u202e\u001b[31m\uffff\n' + 'x'.repeat(90)
  const [facts] = labels(built, [{ name: evil, fingerprint }])
  const svg = labelSvg(facts!)
  for (const [what, text] of [['svg', svg], ['text', labelText(facts!)]] as const) for (const bad of ['\u202e', '\u001b']) t.notOk(text.includes(bad), what)
  for (const bad of ['<script', '\uffff']) t.notOk(svg.includes(bad))
  t.equal(svg.match(/<svg/g)?.length, 1)
  const path = join(folder, 'evil.svg')
  writeFileSync(path, svg)
  t.equal(scanned(path).trim(), codeText(facts!).trim())
  for (const [, x, text] of svg.matchAll(/<text x="(\d+)"[^>]*>([^<]*)</g)) if (x === '24') t.ok(text!.replace(/&#\d+;/g, '_').length <= 44, text ?? '')
})
