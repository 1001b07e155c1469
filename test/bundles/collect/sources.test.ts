import t from 'tap'
import { deb822Sources, machineSources, mayBeDebian, oneLineSources } from '../../../bundles/collect/apt/sources.ts'

await t.test('deb822 sources: several suites and addresses, comments, continuation lines, what is switched off', async t => {
  const text = `# the archive
Types: deb deb-src
# an address that was
URIs: http://a.invalid/debian
 http://b.invalid/debian
Suites: one two
Components: main
  contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://c.invalid
Suites: three
Components: main
Enabled: no

Types: deb-src
URIs: http://d.invalid
Suites: four
Components: main
`
  const found = deb822Sources(text)
  t.strictSame(found.map(source => `${source.uri} ${source.suite}`), ['http://a.invalid/debian one', 'http://a.invalid/debian two', 'http://b.invalid/debian one', 'http://b.invalid/debian two'])
  t.strictSame(found[0]?.components, ['main', 'contrib'])
})

await t.test('one-line sources: options, comments, what is commented out', async t => {
  const found = oneLineSources(`deb [arch=amd64,arm64 signed-by=/etc/apt/keys/x.gpg] https://a.invalid/debian bookworm main contrib # ours
# deb http://b.invalid/debian bookworm main
deb-src http://a.invalid/debian bookworm main
deb http://c.invalid/debian bookworm-updates main
`)
  t.strictSame(found, [
    { uri: 'https://a.invalid/debian', suite: 'bookworm', components: ['main', 'contrib'], architectures: ['amd64', 'arm64'], signedBy: '/etc/apt/keys/x.gpg' },
    { uri: 'http://c.invalid/debian', suite: 'bookworm-updates', components: ['main'], architectures: undefined, signedBy: undefined },
  ])
})

await t.test('both places and both styles are read; other files are not', async t => {
  const etc = t.testdir({
    'sources.list': 'deb http://a.invalid/ one main\n',
    'sources.list.d': { 'b.sources': 'Types: deb\nURIs: http://b.invalid/\nSuites: two\nComponents: main\n', 'c.list': 'deb http://c.invalid/ three main\n', 'd.list.save': 'deb http://d.invalid/ four main\n' },
  })
  t.strictSame((await machineSources(etc)).map(source => source.suite), ['one', 'two', 'three'])
  t.strictSame(await machineSources(`${etc}/none`), [])
})

await t.test('a source with a key of somebody else is not Debian; one that leaves it open is decided by its signature', async t => {
  const source = { uri: 'http://a.invalid', suite: 'bookworm', components: ['main'], architectures: undefined }
  t.ok(mayBeDebian({ ...source, signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg' }))
  t.ok(mayBeDebian({ ...source, signedBy: undefined }))
  t.notOk(mayBeDebian({ ...source, signedBy: '/usr/share/keyrings/nodesource.gpg' }))
  t.notOk(mayBeDebian({ ...source, signedBy: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n.\nmQ\n' }))
})
