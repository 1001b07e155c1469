import { createHash } from 'node:crypto'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCleartextMessage, generateKey, readPrivateKey, sign } from 'openpgp'
import { runProgram } from '../../../../appliance/core/run-program.ts'
import type { Loopback } from './loopback.ts'

export type DebWish = { name: string; depends?: string; essential?: boolean; version?: string; /** usr/share/doc/NAME/copyright, or a link to another package's. */ copyright?: string; docOf?: string }
export type ArchiveKind = { suite?: string; architecture?: string; /** More lines of the Release. */ release?: string }
export type Archive = { keyring: string; source: { uri: string; suites: string[]; components: string[]; signedBy: string }; debPath(name: string): string; /** Signs InRelease anew, with other words in it. */ sign(change?: (release: string) => string): Promise<void> }

/** A small Debian archive on a loopback server: real .debs, Packages, and an InRelease signed by a key made for it. */
export async function startArchive(folder: string, server: Loopback, debs: readonly DebWish[], { suite = 'test', architecture = 'amd64', release: more = '' }: ArchiveKind = {}): Promise<Archive> {
  await mkdir(folder, { recursive: true })
  const packages = (await Promise.all(debs.map(deb => publishDeb(folder, server, deb, architecture)))).join('\n')
  const key = await generateKey({ userIDs: [{ name: 'Archive' }], format: 'armored' })
  const privateKey = await readPrivateKey({ armoredKey: key.privateKey })
  const keyring = join(folder, 'archive.gpg')
  await writeFile(keyring, privateKey.toPublic().write())
  server.files.set(`/dists/${suite}/main/binary-${architecture}/Packages`, packages)
  const hash = createHash('sha256').update(packages).digest('hex')
  const release = `Origin: Test\nSuite: ${suite}\nCodename: ${suite}\nDate: Tue, 02 Jun 2026 10:00:00 UTC\n${more}Architectures: ${architecture}\nComponents: main\nSHA256:\n ${hash} ${packages.length} main/binary-${architecture}/Packages\n`
  const archive: Archive = {
    keyring,
    source: { uri: server.url, suites: [suite], components: ['main'], signedBy: keyring },
    debPath: name => `/pool/${name}_1.0_${architecture}.deb`,
    async sign(change = text => text) {
      const text = change(release)
      server.files.set(`/dists/${suite}/InRelease`, await sign({ message: await createCleartextMessage({ text }), signingKeys: privateKey }))
    },
  }
  await archive.sign()
  return archive
}

async function publishDeb(folder: string, server: Loopback, { name, depends, essential, version = '1.0', copyright, docOf }: DebWish, architecture: string): Promise<string> {
  const tree = join(folder, `deb-${name}`)
  await mkdir(join(tree, 'DEBIAN'), { recursive: true })
  const control = `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nMaintainer: Test <test@example.invalid>\n${depends === undefined ? '' : `Depends: ${depends}\n`}${essential === true ? 'Essential: yes\n' : ''}Description: ${name}\n`
  await writeFile(join(tree, 'DEBIAN/control'), control)
  await writeFile(join(tree, name), name.repeat(1000))
  const doc = join(tree, 'usr/share/doc')
  if (copyright !== undefined || docOf !== undefined) await mkdir(copyright === undefined ? doc : join(doc, name), { recursive: true })
  if (copyright !== undefined) await writeFile(join(doc, name, 'copyright'), copyright)
  if (docOf !== undefined) await symlink(docOf, join(doc, name))
  const place = `pool/${name}_${version}_${architecture}.deb`
  const file = join(folder, `${name}.deb`)
  await runProgram('dpkg-deb', { args: ['--root-owner-group', '-Zgzip', '--build', tree, file] })
  const bytes = await readFile(file)
  server.files.set(`/${place}`, bytes)
  return `${control}Filename: ${place}\nSize: ${bytes.length}\nSHA256: ${createHash('sha256').update(bytes).digest('hex')}\n`
}
