import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { gpgHome } from '../../support/gpg.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const CLI = join(import.meta.dirname, '../../../appliance/main/cli.ts')

type Ran = { status: number; stdout: string; stderr: string; records: Record<string, unknown>[] }

function drydock(cwd: string): (...words: string[]) => Promise<Ran> {
  return async (...words) => {
    const { promise, resolve } = Promise.withResolvers<Ran>()
    const child = execFile(process.execPath, [CLI, ...words], { cwd }, (_failure, stdout, stderr) => {
      const records = words.includes('--json') ? (stdout + stderr).trim().split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>) : []
      resolve({ status: child.exitCode ?? -1, stdout, stderr, records })
    })
    return await promise
  }
}

await t.test('from two people\'s keys to a bundle that verifies', async t => {
  const cwd = t.testdir()
  const run = drydock(cwd)
  const content = 'hello\n'
  const hex = createHash('sha256').update(content).digest('hex')
  mkdirSync(join(cwd, 'ws', 'blobs'), { recursive: true })
  writeFileSync(join(cwd, 'ws', 'blobs', hex), content)
  const item = { kind: 'file', name: 'hello', version: '1', metadata: { path: 'hello' }, blobs: [{ name: 'hello', digest: `sha256:${hex}`, size: 6 }], source: 'pkg:generic/hello@1' }
  writeFileSync(join(cwd, 'ws', 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: 'demo', created: '2026-01-01T00:00:00Z', items: [item] }))

  t.match(await run('key', 'new', '--name', 'Ana Ruiz', '--out', 'keys'), { status: 0, stdout: /^Ana Ruiz {2}[0-9A-F]{40}\n/ })
  t.equal(statSync(join(cwd, 'keys', 'ana-ruiz.key')).mode & 0o777, 0o600)
  writeFileSync(join(cwd, 'passphrase'), 'correct horse\n')
  t.match(await run('key', 'new', '--name', 'Jon Berg', '--out', 'keys', '--passphrase-file', 'passphrase', '--json'), { status: 0, records: [{ type: 'key', name: 'Jon Berg' }] })
  t.match(await run('key', 'new', '--name', 'Ana Ruiz', '--out', 'keys'), { status: 2, stderr: /DD-TRUST-016/ }, 'a secret key is never overwritten')
  t.match(await run('key', 'list', 'nowhere'), { status: 2, stderr: /expected a folder with public keys at nowhere, found none/ })
  t.match(await run('key', 'list', 'keys/ana-ruiz.pub'), { status: 2, stderr: /found a file/ })
  t.match((await run('key', 'list', 'keys', '--json')).records, [{ name: 'Ana Ruiz' }, { name: 'Jon Berg' }])
  t.equal((await run('key', 'export', 'keys/ana-ruiz.key')).stdout.trim(), readFileSync(join(cwd, 'keys', 'ana-ruiz.pub'), 'utf8').trim())

  const pubs = ['keys/ana-ruiz.pub', 'keys/jon-berg.pub']
  t.match(await run('trust', 'new', '--root', pubs[0]!, '--release', ...pubs, '--threshold', 'release=2', '--out', 'trust.json', '--json'), { status: 0, records: [{ type: 'trust', version: 1, sha256: createHash('sha256').update(readFileSync(join(cwd, 'trust.json'))).digest('hex') }] })
  t.match(await run('trust', 'show', 'trust.json'), { status: 0, stdout: /release {2}2 of 2: Ana Ruiz, Jon Berg/ })
  writeFileSync(join(cwd, 'gus.pub'), (await gpgHome(t).makeKey('Gus', 'ed25519')).public)
  t.match(await run('trust', 'new', '--root', pubs[0]!, '--release', pubs[0]!, 'gus.pub', '--threshold', 'release=2', '--out', 'gpg.json'), { status: 0, stdout: /release {2}2 of 2: Ana Ruiz, Gus/ }, 'a key as gpg exports it')
  t.match(await run('trust', 'show', 'gpg.json'), { status: 0 })
  t.match(await run('trust', 'new', '--root', pubs[0]!, '--release', pubs[0]!, '--threshold', 'release=2', '--out', 'bad.json'), { status: 3, stderr: /DD-TRUST-001/ })
  t.match(await run('trust', 'new', '--root', pubs[0]!, '--release', pubs[0]!, '--out', 'trust.json'), { status: 2, stderr: /DD-TRUST-016/ }, 'a trust document is not written over')
  t.match(await run('trust', 'new', '--root', 'keys/ana-ruiz.key', '--release', pubs[0]!, '--out', 'bad.json'), { status: 2, stderr: /DD-TRUST-010/ }, 'a secret key is no public one')

  t.match(await run('bundle', 'build', 'ws', '--key', 'keys/ana-ruiz.key', '--out', 'out'), { status: 2, stderr: /--site/ })
  t.match(await run('bundle', 'build', 'ws', '--site', 'site-a', '--key', 'keys/ana-ruiz.key', '--out', 'out'), { status: 0, stdout: /site-a, sequence 1 of demo: files 1/ })
  t.same(readdirSync(join(cwd, 'out')), ['demo-0001.cdx.json', 'demo-0001.v1-of-1.drydock'])
  const file = 'out/demo-0001.v1-of-1.drydock'
  t.match(await run('bundle', 'verify', file, '--trust', 'trust.json'), {
    status: 3,
    stderr: /^refused: expected 2 distinct release signatures on manifest\.json, found 1 \(Ana Ruiz\)\ndo: have another release key holder run `drydock bundle sign` on this bundle and bring it again {6}DD-TRUST-012\n$/,
  })
  t.match(await run('bundle', 'sign', file, '--key', 'keys/jon-berg.key'), { status: 2, stderr: /DD-TRUST-011/ })
  t.match(await run('bundle', 'sign', file, '--key', 'keys/jon-berg.key', '--passphrase-file', 'passphrase'), { status: 0, stdout: /2 in all/ })
  t.match(await run('bundle', 'verify', file, '--trust', 'trust.json', '--site', 'site-a'), { status: 0, stdout: /good: demo, site site-a, sequence 1/ })
  t.match(await run('bundle', 'verify', file, '--trust', 'trust.json', '--site', 'site-b'), { status: 3, stderr: /DD-IMPORT-001/ })
  t.match((await run('bundle', 'inspect', file, '--json')).records.map(({ type }) => type), ['bundle', 'volume', 'kind', 'licences', 'item'])
  t.match(await run('bundle', 'sbom', file), { status: 0, stdout: readFileSync(join(cwd, 'out', 'demo-0001.cdx.json'), 'utf8'), stderr: /nobody's signature was judged/ })
  t.match((await run('bundle', 'sbom', file, '--trust', 'trust.json', '--out', 'bill.json', '--json')).records, [{ type: 'note' }, { type: 'sbom', signatures: 'held', items: 1, file: 'bill.json' }])
  t.same(readFileSync(join(cwd, 'bill.json')), readFileSync(join(cwd, 'out', 'demo-0001.cdx.json')))
  t.match(await run('bundle', 'sbom', file, '--site', 'site-a'), { status: 2, stderr: /expected --trust beside --site/ })
  t.match(await run('bundle', 'inspect', 'out/none'), { status: 2, stderr: /DD-BUNDLE-017/ })

  t.match(await run('bundle', 'build', 'ws', '--key', ...['ana-ruiz'].map(each => `keys/${each}.key`), '--out', 'out'), { status: 0, stdout: /sequence 2/ }, 'the next build takes the next sequence')
  t.match(await run('bundle', 'build', 'ws', '--site', 'site-b', '--out', 'out'), { status: 2, stderr: /DD-BUNDLE-014/ })
  const damaged = readFileSync(join(cwd, file))
  damaged[damaged.length - 1024 - 512]! ^= 1
  writeFileSync(join(cwd, 'damaged.drydock'), damaged)
  t.match(await run('bundle', 'verify', 'damaged.drydock', '--trust', 'trust.json'), { status: 3, stderr: /DD-BUNDLE-008/ })
})
