import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../../../appliance/core/digest.ts'
import { programEnvironment, runProgram } from '../../../appliance/core/run-program.ts'
import type { Item, ItemBlob } from '../../../bundles/format/item.ts'
import type { TestMirror } from './server.ts'

/** Where made content goes. */
export type Shelf = Pick<TestMirror, 'folder' | 'store' | 'adopt'>

/** Small real packages, each made by its own ecosystem's tool, as items that are in the store. */

export async function npmPackage(mirror: Shelf, name: string, version: string, fields: Record<string, unknown> = {}): Promise<Item> {
  const folder = join(mirror.folder, 'npm-src', `${name.replace('/', '+')}-${version}`)
  mkdirSync(folder, { recursive: true })
  const manifest = { name, version, main: 'index.js', ...fields }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'index.js'), `module.exports = ${JSON.stringify(`${name}@${version}`)}\n`)
  const { stdout } = await runProgram('npm', { args: ['pack', '--json', '--silent'], cwd: folder, env: programEnvironment({ HOME: mirror.folder }) })
  const packed = JSON.parse(stdout.toString('utf8')) as { filename: string }[] | Record<string, { filename: string }>
  const file = join(folder, Object.values(packed)[0]!.filename.replace('@', '').replace('/', '-'))
  const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  const { digest, size } = await mirror.adopt(file)
  return { kind: 'npm', name, version, metadata: { manifest, integrity, tags: [] }, blobs: [{ name: `${name.split('/').at(-1)}-${version}.tgz`, digest, size }], source: `pkg:npm/${name}@${version}` }
}

/** The same item with a tarball of other entries: [path, text], in this order, through the system's tar. */
export async function withTarball(mirror: Shelf, item: Item, entries: readonly (readonly [string, string])[]): Promise<Item> {
  const folder = mkdtempSync(join(mirror.folder, 'tarball-'))
  for (const [n, [path, text]] of entries.entries()) {
    writeFileSync(join(folder, 'content'), text)
    await runProgram('tar', { args: ['-P', '-C', folder, '--transform', `s#^content$#${path}#`, n === 0 ? '-cf' : '-rf', join(folder, 'made.tar'), 'content'] })
  }
  await runProgram('gzip', { args: [join(folder, 'made.tar')] })
  const integrity = `sha512-${createHash('sha512').update(readFileSync(join(folder, 'made.tar.gz'))).digest('base64')}`
  const file = await mirror.adopt(join(folder, 'made.tar.gz'))
  return { ...item, metadata: { ...item.metadata, integrity }, blobs: [{ ...item.blobs[0]!, ...file }] }
}

const WHEEL = `
import sys, zipfile, hashlib, base64
name, version, tag, requires, out, tamper = sys.argv[1:7]
lie, unlisted = '', {}
info = f'{name}-{version}.dist-info'
metadata = f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nRequires-Python: >=3.8\\n' + (f'Requires-Dist: {requires}\\n' if requires else '')
files = {f'{name}/__init__.py': f'version = {version!r}\\n', f'{info}/METADATA': metadata, f'{info}/WHEEL': f'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {tag}\\n'}
record = ''
exec(tamper)
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as wheel:
    for path, text in files.items():
        wheel.writestr(zipfile.ZipInfo(path), text)
        record += f'{path},sha256={base64.urlsafe_b64encode(hashlib.sha256((text + lie).encode()).digest()).rstrip(b"=").decode()},{len(text)}\\n'
    for path, text in unlisted.items():
        wheel.writestr(zipfile.ZipInfo(path), text)
    wheel.writestr(zipfile.ZipInfo(f'{info}/RECORD'), record + f'{info}/RECORD,,\\n')
print(metadata, end='')
`

/** @param options.tamper Python that makes it a bad wheel: it may change `files` and `metadata`, set `lie` (wrong hashes) or `unlisted` files. */
export async function wheel(mirror: Shelf, name: string, version: string, options: { requires?: string; tag?: string; tamper?: string } = {}): Promise<Item> {
  const tag = options.tag ?? 'py3-none-any'
  const filename = `${name}-${version}-${tag}.whl`
  const folder = mkdtempSync(join(mirror.folder, 'wheel-'))
  const { stdout } = await runProgram('/usr/bin/python3', { args: ['-c', WHEEL, name, version, tag, options.requires ?? '', join(folder, filename), options.tamper ?? ''] })
  const file = await mirror.adopt(join(folder, filename))
  const metadata = await mirror.store.blobs.put(stdout)
  const blobs: ItemBlob[] = [{ name: filename, ...file }, { name: `${filename}.metadata`, digest: metadata, size: stdout.length }]
  return { kind: 'pypi', name: name.replaceAll('_', '-').toLowerCase(), version, metadata: { files: [{ filename, requiresPython: '>=3.8', metadata: `${filename}.metadata` }] }, blobs, source: `pkg:pypi/${name}@${version}` }
}

export async function deb(mirror: Shelf, name: string, version: string, options: { architecture?: string; depends?: string; suite?: string; component?: string; indexed?: string } = {}): Promise<Item> {
  const { architecture = 'amd64', suite = 'bookworm', component = 'main' } = options
  const indexed = options.indexed ?? (architecture === 'all' ? 'amd64' : architecture)
  const folder = join(mirror.folder, 'debs', `${name}_${version.replace(':', '+')}_${architecture}`)
  mkdirSync(join(folder, 'DEBIAN'), { recursive: true })
  mkdirSync(join(folder, 'usr/share', name), { recursive: true })
  const control = [`Package: ${name}`, `Version: ${version}`, `Architecture: ${architecture}`, 'Maintainer: Drydock <test@example.invalid>', ...(options.depends === undefined ? [] : [`Depends: ${options.depends}`]), `Description: ${name}`, ' A package of the tests.', ''].join('\n')
  writeFileSync(join(folder, 'DEBIAN/control'), control)
  writeFileSync(join(folder, 'usr/share', name, 'version'), `${version}\n`)
  await runProgram('dpkg-deb', { args: ['--root-owner-group', '-b', folder, `${folder}.deb`], package: 'dpkg' })
  const { digest, size } = await mirror.adopt(`${folder}.deb`)
  const filename = `pool/main/x/${name}_${version}_${architecture}.deb`
  return { kind: 'deb', name, version, variant: `${suite}/${indexed}`, metadata: { suite, component, architecture: indexed, control, filename }, blobs: [{ name: `${name}.deb`, digest, size }], source: `pkg:deb/debian/${name}@${version}` }
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

export async function ociImage(mirror: Shelf, name: string, tag: string, text: string, options: { subject?: string; layerBytes?: Buffer } = {}): Promise<Item> {
  const folder = join(mirror.folder, 'oci', `${name.replaceAll('/', '+')}-${tag}`)
  mkdirSync(join(folder, 'root'), { recursive: true })
  writeFileSync(join(folder, 'root/hello'), options.layerBytes ?? text)
  await runProgram('tar', { args: ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '-C', join(folder, 'root'), '-cf', join(folder, 'layer.tar'), '.'] })
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', ...(await mirror.adopt(join(folder, 'layer.tar'))) }
  const configText = JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [layer.digest] }, history: [] })
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: await mirror.store.blobs.put(configText), size: Buffer.byteLength(configText) }
  const subject = options.subject === undefined ? {} : { subject: { mediaType: MANIFEST, digest: options.subject, size: mirror.store.blobs.size(digestOfText(options.subject)) ?? 0 } }
  const manifestText = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer], ...subject })
  const manifest = { mediaType: MANIFEST, digest: await mirror.store.blobs.put(manifestText), size: Buffer.byteLength(manifestText) }
  return { kind: 'oci', name, version: tag, metadata: { mediaType: MANIFEST, digest: manifest.digest }, blobs: [{ name: 'manifest', ...manifest }, { name: 'config', ...config }, { name: 'layer-0', ...layer }], source: `pkg:oci/${name}@${manifest.digest}` }
}

export async function file(mirror: Shelf, path: string, bytes: Buffer | string, version = digestOf(bytes).slice(7, 23)): Promise<Item> {
  const digest = await mirror.store.blobs.put(bytes)
  return { kind: 'file', name: path, version, metadata: { path }, blobs: [{ name: path.split('/').at(-1)!, digest, size: Buffer.byteLength(bytes) }], source: `pkg:generic/${path}@${version}` }
}

function digestOfText(text: string): ReturnType<typeof digestOf> {
  return text as ReturnType<typeof digestOf>
}
