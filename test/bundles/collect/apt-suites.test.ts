import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { shortNames } from '../../../bundles/collect/apt/copyright.ts'
import { BLOB_FOLDER } from '../../../bundles/format/collection-lock.ts'
import { startArchive } from './support/archive.ts'
import { startLoopback } from './support/loopback.ts'
import { collectFault, runCollect } from './support/run-collect.ts'

const DEP5 = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\nFiles: *\nCopyright: x\nLicense: '

t.setTimeout(240_000)

await t.test('a package that stands in two suites stays two, and one suite is chosen as apt does it', async t => {
  const folder = t.testdir()
  const server = await startLoopback()
  t.teardown(() => server.close())
  const stable = await startArchive(join(folder, 'stable'), server, [{ name: 'tool', depends: 'library' }, { name: 'library' }])
  const newer = await startArchive(join(folder, 'newer'), server, [{ name: 'tool', version: '2.0', depends: 'library' }], { suite: 'test-backports', release: 'NotAutomatic: yes\nButAutomaticUpgrades: yes\n' })
  const sources = [stable.source, newer.source]
  const collected = async (packages: string[]) => (await runCollect(folder, { apt: { sources, packages } })).lock.items.map(item => `${item.name} ${item.version} ${item.variant}`)
  t.strictSame(await collected(['tool']), ['library 1.0 test/amd64', 'tool 1.0 test/amd64'])
  t.strictSame(await collected(['tool', 'tool/test-backports']), ['library 1.0 test/amd64', 'tool 1.0 test/amd64', 'tool 2.0 test-backports/amd64'])
  t.strictSame(await collected(['tool=2.0']), ['library 1.0 test/amd64', 'tool 2.0 test-backports/amd64'])
  const { lock } = await runCollect(folder, { apt: { sources, packages: ['tool', 'tool/test-backports'] } })
  const [first, second] = lock.items.filter(item => item.name === 'tool').map(item => item.upstream?.signedBy)
  t.not(first, second, 'each by the key of its own archive')
})

await t.test('a Release that has expired is refused, and so are the lists of last time when the archive does not answer', async t => {
  const folder = t.testdir()
  const server = await startLoopback()
  t.teardown(() => server.close())
  const archive = await startArchive(folder, server, [{ name: 'tool' }])
  const wish = { apt: { sources: [archive.source], packages: ['tool'] } }
  await runCollect(folder, wish)
  await archive.sign(release => release.replace('Architectures:', 'Valid-Until: Wed, 03 Jun 2026 10:00:00 UTC\nArchitectures:'))
  t.match(await collectFault(folder, wish), { code: 'DD-COLLECT-003', message: /expired/ })
  await archive.sign()
  t.ok((await runCollect(folder, wish)).lock, 'and is well again with a new one')
  server.files.delete('/dists/test/InRelease')
  t.match(await collectFault(folder, wish), { code: /DD-COLLECT-00[35]/ })
  await archive.sign(release => release.replace('02 Jun 2026', '02 Jun 2199'))
  t.match(await collectFault(folder, wish), { code: 'DD-COLLECT-003', message: /future/ })
})

await t.test('licences are those of the package\'s own copyright file, as claims where they are no SPDX', async t => {
  const folder = t.testdir()
  const server = await startLoopback()
  t.teardown(() => server.close())
  const archive = await startArchive(folder, server, [
    { name: 'a-spdx', copyright: `${DEP5}Zlib\n\nFiles: y\nLicense: MIT OR Apache-2.0\n` },
    { name: 'b-mixed', copyright: `${DEP5}Zlib\n\nFiles: debian/*\nLicense: GPL-2+\n` },
    { name: 'c-free', copyright: 'This is free software. License: see below.\n' },
    { name: 'd-shared', docOf: 'a-spdx' },
    { name: 'e-none' },
  ])
  const { lock } = await runCollect(folder, { apt: { sources: [archive.source], packages: ['a-spdx', 'b-mixed', 'c-free', 'd-shared', 'e-none'] } })
  t.strictSame(lock.items.map(item => [item.licences, item.licenceClaims]), [
    [['MIT OR Apache-2.0', 'Zlib'], undefined],
    [undefined, ['GPL-2+', 'Zlib']],
    [undefined, undefined],
    [['MIT OR Apache-2.0', 'Zlib'], undefined],
    [undefined, undefined],
  ])
  t.strictSame(shortNames(`${DEP5}GPL-2+\n  with   OpenSSL\n`), ['GPL-2+'])
})

await t.test('amd64 and arm64 of the machine\'s own Debian: each its closure, one file for what is for all', async t => {
  const folder = t.testdir()
  const { lock } = await runCollect(folder, { architectures: ['amd64', 'arm64'], apt: { suites: ['bookworm'], packages: ['hello', 'debian-archive-keyring'] } })
  const variants = (name: string) => lock.items.filter(item => item.name === name).map(item => item.variant)
  t.strictSame(variants('hello'), ['bookworm/amd64', 'bookworm/arm64'])
  for (const architecture of ['amd64', 'arm64']) t.ok(variants('libc6').some(variant => variant?.endsWith(`/${architecture}`)))
  t.equal(variants('debian-archive-keyring').length, 1)
  t.match(variants('debian-archive-keyring')[0], /\/all$/)
  for (const item of lock.items) t.match(item.metadata['control'], new RegExp(`^Architecture: (${item.variant?.split('/')[1]})$`, 'm'))
  const hello = lock.items.find(item => item.variant === 'bookworm/arm64' && item.name === 'hello')!
  t.equal((await readFile(join(folder, 'workspace', BLOB_FOLDER, hello.blobs[0]!.digest.slice(7)))).toString('latin1', 0, 7), '!<arch>')
})
