import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { digestOf, hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { BlobSource, CatalogueView } from '../../../appliance/model/catalogue.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { BLOB_FOLDER, CollectionLock, LOCK_FILE } from '../../../bundles/format/collection-lock.ts'
import type { Item, ItemKind } from '../../../bundles/format/item.ts'

export type Generation = { catalogue: CatalogueView; blobs: BlobSource }

/** What `bundle collect` left in a workspace, seen as the generation that it would become. */
export function openWorkspace(folder: string): Generation {
  const { items } = checkShape(CollectionLock, JSON.parse(readFileSync(join(folder, LOCK_FILE), 'utf8')), LOCK_FILE)
  return { catalogue: viewOf(items), blobs: { blobPath: digest => join(folder, BLOB_FOLDER, hexOf(digest)) } }
}

export function viewOf(items: readonly Item[]): CatalogueView {
  return { generation: 1, items: (kind: ItemKind) => items.filter(item => item.kind === kind), find: (kind, name) => items.filter(item => item.kind === kind && item.name === name) }
}

/** A small generation of real packages that tests make up. */
export class SmallGeneration implements Generation {
  readonly items: Item[] = []
  readonly #folder: string
  readonly blobs: BlobSource = { blobPath: digest => join(this.#folder, hexOf(digest)) }

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
  }

  get catalogue(): CatalogueView {
    return viewOf(this.items)
  }

  /** A real .deb built by dpkg-deb. `files` are path → content. */
  async deb(name: string, version: string, options: { depends?: string; essential?: boolean; files?: Record<string, string> } = {}): Promise<void> {
    const root = mkdtempSync(join(this.#folder, 'deb-'))
    mkdirSync(join(root, 'DEBIAN'))
    const control = [`Package: ${name}`, `Version: ${version}`, 'Architecture: amd64', 'Maintainer: Test <test@drydock.test>', ...(options.essential === true ? ['Essential: yes'] : []), ...(options.depends === undefined ? [] : [`Depends: ${options.depends}`]), 'Description: made by a test'].join('\n')
    writeFileSync(join(root, 'DEBIAN/control'), `${control}\n`)
    for (const [path, content] of Object.entries(options.files ?? {})) {
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    const file = `${root}.deb`
    await runProgram('dpkg-deb', { args: ['--build', '--root-owner-group', '-Znone', root, file], env: { PATH: process.env['PATH'], SOURCE_DATE_EPOCH: '1' } })
    this.#add({ kind: 'deb', name, version, variant: 'bookworm/amd64', metadata: { suite: 'bookworm', component: 'main', architecture: 'amd64', control }, source: `pkg:deb/debian/${name}@${version}` }, `${name}.deb`, readFileSync(file))
  }

  /** A real wheel, zipped by Python. */
  async wheel(name: string, version: string, options: { requires?: string[]; files?: Record<string, string>; tag?: string } = {}): Promise<void> {
    const file = `${name}-${version}-${options.tag ?? 'py3-none-any'}.whl`
    const info = `${name}-${version}.dist-info`
    const members = {
      ...options.files,
      [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${(options.requires ?? []).map(line => `Requires-Dist: ${line}\n`).join('')}`,
      [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${options.tag ?? 'py3-none-any'}\n`,
      [`${info}/RECORD`]: '',
    }
    const path = join(this.#folder, file)
    const script = 'import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED)\nfor n,c in sorted(json.load(sys.stdin).items()): z.writestr(zipfile.ZipInfo(n),c)\nz.close()'
    await runProgram('/usr/bin/python3', { args: ['-c', script, path], input: JSON.stringify(members) })
    this.#add({ kind: 'pypi', name, version, metadata: { files: [{ filename: file }] }, source: `pkg:pypi/${name}@${version}` }, file, readFileSync(path))
  }

  pack(document: { version: string; [field: string]: unknown }, name: string): void {
    this.#add({ kind: 'role', name, version: document.version, metadata: {}, source: `pkg:generic/${name}@${document.version}` }, `${name}.yaml`, Buffer.from(stringify(document)))
  }

  base(packages: string[]): void {
    this.pack({ apiVersion: 'drydock/v1', kind: 'Base', base: 'debian', version: '12', os: 'linux', arch: 'amd64', suite: 'bookworm', packages, kernel: 'linux-image-test', sourceDateEpoch: 1, verify: [] }, 'debian')
  }

  role(role: string, version: string, more: { apt?: string[]; pip?: string[]; requires?: string[]; env?: Record<string, string> } = {}): void {
    const payload = { ...(more.apt === undefined ? {} : { apt: more.apt }), ...(more.pip === undefined ? {} : { pip: more.pip }) }
    this.pack({ apiVersion: 'drydock/v1', kind: 'Role', role, version, os: 'linux', arch: 'amd64', requires: more.requires ?? [], conflicts: [], payload, env: more.env ?? {}, verify: [{ run: 'true', expect: '' }] }, role)
  }

  pathOf(name: string): string {
    const item = this.items.find(candidate => candidate.name === name)!
    return this.blobs.blobPath(parseDigest(item.blobs[0]!.digest))
  }

  #add(item: Omit<Item, 'blobs'>, name: string, bytes: Buffer): Digest {
    const digest = digestOf(bytes)
    writeFileSync(join(this.#folder, hexOf(digest)), bytes)
    this.items.push({ ...item, blobs: [{ name, digest, size: bytes.length }] })
    return digest
  }
}
