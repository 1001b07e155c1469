import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { buildBundle, signBundle } from '../../../bundles/build/index.ts'
import type { BuildInput } from '../../../bundles/build/build.ts'
import { fileItems, person } from '../../support/bundles.ts'

t.setTimeout(120_000)
const [ana, jon] = await Promise.all([person('Ana Ruiz'), person('Jon Berg')])

await t.test('a bundle is not built over another one of its sequence, nor over a signature by somebody else; the same build again is', async t => {
  const folder = t.testdir()
  const out = join(folder, 'out')
  const input = (text: string, change: Partial<BuildInput> = {}): BuildInput => ({
    lock: { format: 'drydock-collection-lock/1', name: 'demo', created: '2026-01-01T00:00:00Z', items: fileItems(join(folder, 'blobs'), { a: Buffer.alloc(60_000, text), b: Buffer.alloc(60_000, `b${text}`) }) },
    blobFolder: join(folder, 'blobs'), sender: { id: 'workspace-1', site: 'site-a', stream: 'demo', epoch: 0, sequence: 1 }, signers: [ana.signer], out, ...change,
  })
  const { file } = await buildBundle(input('first'))
  t.equal((await buildBundle(input('first'))).file, file, 'the same once more, as after a kill')
  await buildBundle(input('second', { sender: { ...input('').sender, sequence: 2 } }))

  const before = readFileSync(file)
  const other = { code: 'DD-BUNDLE-032', message: /expected no other bundle of sequence 1 in .*out, found demo-0001\.v1-of-1\.drydock, which is another one \(sha256:/ }
  await t.rejects(buildBundle(input('second')), other)
  await t.rejects(buildBundle(input('second', { volumeBytes: 100_000 })), other, 'under another name of the same sequence, too')
  t.ok(readFileSync(file).equals(before))

  await signBundle(file, jon.signer)
  await t.rejects(buildBundle(input('first')), { code: 'DD-BUNDLE-032', message: /which has 1 signature by others/ })
  await buildBundle(input('first', { signers: [ana.signer, jon.signer] }))
  writeFileSync(file, 'no bundle')
  await t.rejects(buildBundle(input('first')), { code: 'DD-BUNDLE-032', message: /which cannot be read as a bundle/ })

  const { volumes } = await buildBundle(input('second', { volumeBytes: 150_000, replace: true }))
  t.ok(volumes.length > 1)
  t.same(readdirSync(out).filter(name => name.startsWith('demo-0001')).toSorted(), volumes.map(({ file: each }) => basename(each)), 'and nothing of the one before stays beside it')
  t.ok(readdirSync(out).includes('demo-0002.v1-of-1.drydock'), 'other sequences are left alone')
})
