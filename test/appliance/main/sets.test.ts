import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

t.setTimeout(240_000)

const CLI = join(import.meta.dirname, '../../../appliance/main/cli.ts')

type Ran = { status: number; stdout: string; stderr: string }

function runIn(cwd: string): (...words: string[]) => Promise<Ran> {
  return async (...words) => {
    const { promise, resolve } = Promise.withResolvers<Ran>()
    const child = execFile(process.execPath, [CLI, ...words], { cwd }, (_failure, stdout, stderr) => resolve({ status: child.exitCode ?? -1, stdout, stderr }))
    return await promise
  }
}

await t.test('a release engineer makes a set with parity, loses discs, and makes it whole again', async t => {
  const cwd = t.testdir()
  const run = runIn(cwd)
  mkdirSync(join(cwd, 'ws', 'blobs'), { recursive: true })
  const items = Array.from({ length: 5 }, (_, k) => {
    const content = randomBytes(60_000)
    const hex = createHash('sha256').update(content).digest('hex')
    writeFileSync(join(cwd, 'ws', 'blobs', hex), content)
    return { kind: 'file', name: `f${k}`, version: '1', metadata: { path: `f${k}` }, blobs: [{ name: 'f', digest: `sha256:${hex}`, size: content.length }], source: `pkg:generic/f${k}@1` }
  })
  writeFileSync(join(cwd, 'ws', 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: 'demo', created: '2026-01-01T00:00:00Z', items }))
  t.match(await run('key', 'new', '--name', 'Ana Ruiz', '--out', 'keys'), { status: 0 })
  t.match(await run('trust', 'new', '--root', 'keys/ana-ruiz.pub', '--release', 'keys/ana-ruiz.pub', '--out', 'trust.json'), { status: 0 })

  t.match(await run('bundle', 'build', 'ws', '--site', 'site-a', '--key', 'keys/ana-ruiz.key', '--volume', '200000', '--parity', '1', '--labels', 'labels', '--out', 'out'), {
    status: 0, stdout: /demo-0001\.v2-of-3\.drydock .*read back[^]*demo-0001\.p1\.drydock .*read back[^]*label {6}labels\/demo-0001\.p1\.label\.svg/,
  })
  t.equal(readdirSync(join(cwd, 'labels')).length, 8)
  t.match(readFileSync(join(cwd, 'labels', 'demo-0001.v2-of-3.label.txt'), 'utf8'), /signed by {2}Ana Ruiz/)
  const file = (name: string): string => join(cwd, 'out', `demo-0001.${name}.drydock`)
  const sums = ['v1-of-3', 'v2-of-3', 'v3-of-3', 'p1'].map(name => createHash('sha256').update(readFileSync(file(name))).digest('hex'))

  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 0, stdout: /good: demo[^]*volumes {4}1, 2, 3 of 3, parity 1 of 1/ })
  rmSync(file('v2-of-3'))
  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 0, stdout: /not here {3}demo-0001\.v2-of-3\.drydock\nparity {5}1 of 1 here: enough to rebuild what is missing or damaged/ })
  t.match(await run('bundle', 'repair', 'out'), { status: 0, stdout: /rebuilt {4}out\/demo-0001\.v2-of-3\.drydock/, stderr: /nobody's signature was judged/ })
  const bytes = readFileSync(file('v3-of-3'))
  bytes[bytes.length - 5000]! ^= 1
  writeFileSync(file('v3-of-3'), bytes)
  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 3, stdout: /damaged {4}demo-0001\.v3-of-3\.drydock/, stderr: /drydock bundle repair out[^]*DD-BUNDLE-008/ })
  t.match(await run('bundle', 'label', 'out', '--out', 'again'), { status: 3, stderr: /DD-BUNDLE-008/ }, 'a damaged volume gets no label')
  rmSync(file('v1-of-3'))
  t.match(await run('bundle', 'repair', 'out', '--trust', 'trust.json'), { status: 3, stdout: /1 more volume or parity volume makes it whole/, stderr: /DD-BUNDLE-020/ })
  t.match(await run('bundle', 'build', 'ws', '--sequence', '1', '--key', 'keys/ana-ruiz.key', '--volume', '200000', '--parity', '1', '--out', 'again'), { status: 0 })
  writeFileSync(file('v1-of-3'), readFileSync(join(cwd, 'again', 'demo-0001.v1-of-3.drydock')))
  t.match(await run('bundle', 'repair', 'out', '--trust', 'trust.json'), { status: 0, stdout: /rebuilt {4}out\/demo-0001\.v3-of-3\.drydock/ })
  t.equal(createHash('sha256').update(readFileSync(file('v2-of-3'))).digest('hex'), sums[1])
  t.match(await run('bundle', 'label', 'out', '--out', 'named', '--trust', 'trust.json'), { status: 0, stdout: /named\/demo-0001\.p1\.label\.txt/ })
  t.match(await run('bundle', 'inspect', file('p1')), { status: 0 })
})

await t.test('a set of which a second person signed one volume: nothing is damaged, and a folder is signed whole', async t => {
  const cwd = t.testdir()
  const run = runIn(cwd)
  for (const ws of ['ws', 'other']) {
    const content = randomBytes(250_000)
    const hex = createHash('sha256').update(content).digest('hex')
    mkdirSync(join(cwd, ws, 'blobs'), { recursive: true })
    writeFileSync(join(cwd, ws, 'blobs', hex), content)
    const item = { kind: 'file', name: 'f', version: '1', metadata: { path: 'f' }, blobs: [{ name: 'f', digest: `sha256:${hex}`, size: content.length }], source: 'pkg:generic/f@1' }
    writeFileSync(join(cwd, ws, 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: ws, created: '2026-01-01T00:00:00Z', items: [item] }))
  }
  for (const name of ['Ana Ruiz', 'Jon Berg', 'Rita Root']) t.match(await run('key', 'new', '--name', name, '--out', 'keys'), { status: 0 })
  const pubs = ['keys/ana-ruiz.pub', 'keys/jon-berg.pub']
  t.match(await run('trust', 'new', '--root', 'keys/rita-root.pub', '--release', ...pubs, '--threshold', 'release=2', '--out', 'trust.json'), { status: 0 })
  t.match(await run('bundle', 'build', 'ws', '--site', 'site-a', '--key', 'keys/ana-ruiz.key', '--volume', '200000', '--parity', '1', '--out', 'out'), { status: 0 })

  t.match(await run('bundle', 'sign', 'out/ws-0001.v1-of-3.drydock', '--key', 'keys/jon-berg.key'), { status: 0 })
  const half = await run('bundle', 'verify', 'out', '--trust', 'trust.json')
  t.match(half, { status: 3, stdout: /unsigned {3}ws-0001\.v2-of-3\.drydock .+ found 1 \(Ana Ruiz\)/, stderr: /do: nothing is damaged: whoever signed the others signs these too: drydock bundle sign out --key NAME\.key {6}DD-TRUST-012/ })
  t.notMatch(half.stdout, /damaged {4}/)
  t.match(await run('bundle', 'sign', 'out', '--key', 'keys/jon-berg.key'), { status: 0, stdout: /v1-of-3\.drydock {2}signed by .+, 2 in all[^]*v2-of-3\.drydock {2}signed by .+, 2 in all/ })
  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 0, stdout: /^good: ws/ })
  t.match(await run('bundle', 'inspect', 'out'), { status: 0, stdout: /^ws, sequence 1/ })
  t.match(await run('bundle', 'sbom', 'out'), { status: 0, stdout: /CycloneDX/ })

  t.match(await run('bundle', 'sign', 'out', '--key', 'keys/rita-root.key'), { status: 0, stdout: /3 in all/ })
  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 0, stdout: /signed by {2}Jon Berg \(release\)[^]*signed by {2}Rita Root \(no release key, does not count\)/ })
  t.match(await run('bundle', 'inspect', 'out', '--trust', 'trust.json'), { status: 0, stdout: /2 of 2 needed for release, held/ })

  t.match(await run('bundle', 'build', 'other', '--site', 'site-a', '--key', 'keys/ana-ruiz.key', '--out', 'alone'), { status: 0 })
  t.match(await run('bundle', 'diff', 'out', 'alone'), { status: 0, stdout: /before {5}ws, sequence 1[^]*after {6}other, sequence 1/ })
  t.match(await run('bundle', 'diff', 'nowhere', 'alone'), { status: 2, stderr: /DD-BUNDLE-017/ })
  writeFileSync(join(cwd, 'out', 'other-0001.v1-of-1.drydock'), readFileSync(join(cwd, 'alone', 'other-0001.v1-of-1.drydock')))
  t.match(await run('bundle', 'verify', 'out', '--trust', 'trust.json'), { status: 3, stdout: /unsigned {3}out\/other-0001\.v1-of-1\.drydock/, stderr: /do: the set is whole without out\/other-0001\.v1-of-1\.drydock: take it away/ })
  t.match(await run('bundle', 'sign', 'out', '--key', 'keys/jon-berg.key'), { status: 2, stderr: /DD-BUNDLE-019/ }, 'nobody signs two bundles at once')
})
