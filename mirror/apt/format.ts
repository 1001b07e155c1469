import { gzipSync } from 'node:zlib'
import Type from 'typebox'
import type { Clock } from '../../appliance/core/clock.ts'
import { hexOf, parseDigest } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { BlobStore } from '../store/blobs.ts'
import type { MirrorFormat, Rendered, RenderView } from '../store/format.ts'
import { itemFault, metadataOf, onlyBlob, shown } from '../store/item-fault.ts'
import { ALL, architecturesOf, indexFile, releaseFiles, releaseText, type IndexFile } from './release.ts'
import type { ReleaseSigner } from './signer.ts'
import { mergePackages, parseStanza } from './stanza.ts'

const WORD = '[a-zA-Z0-9][a-zA-Z0-9.+~_-]{0,63}'
const DebMetadata = Type.Object({
  suite: Type.String({ pattern: `^${WORD}(/${WORD})?$` }),
  component: Type.String({ pattern: `^${WORD}(/${WORD})?$` }),
  architecture: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }),
  control: Type.String({ maxLength: 512 * 1024 }),
})

/** Fields that say where and what the file is; ours, never a bundle's. */
const OUR_FIELDS = ['filename', 'size', 'md5sum', 'sha1', 'sha256', 'sha512']
const TEXT = 'text/plain; charset=utf-8'
/** Every .deb is an ar archive. */
const DEB_MAGIC = '!<arch>\ndebian-binary'

/** /apt/dists/<suite>/…, /apt/pool/… and the key that signs it at /apt/key.asc. One index is written again only when a package in it changed. */
export function aptFormat(options: { signer: ReleaseSigner; clock: Clock }): MirrorFormat {
  return {
    kind: 'deb',
    prefix: 'apt',
    stamp: options.signer.fingerprint,
    validate,
    render: (previous, changes) => render(previous, changes, options.signer, options.clock),
    find: ({ path }) => (path === 'key.asc' ? { body: options.signer.publicKey, mediaType: 'application/pgp-keys' } : { path }),
    refusal: (status, what) => ({ body: `${status} ${status === 404 ? `not found: ${what}` : what}\n`, mediaType: TEXT }),
  }
}

async function validate(item: Item, blobs: BlobStore): Promise<void> {
  const { architecture, control } = metadataOf(DebMetadata, item)
  const fields = parseStanza(control)
  if (fields === undefined) throw itemFault(item, 'one well-formed control paragraph', shown(control))
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(item.name)) throw itemFault(item, 'a Debian package name', shown(item.name))
  if (!/^(\d+:)?[A-Za-z0-9.+~-]+$/.test(item.version)) throw itemFault(item, 'a Debian version', shown(item.version))
  if (fields.get('Package') !== item.name) throw itemFault(item, `Package: ${item.name}`, shown(fields.get('Package')))
  if (fields.get('Version') !== item.version) throw itemFault(item, `Version: ${item.version}`, shown(fields.get('Version')))
  const own = fields.get('Architecture')
  if (own !== architecture && own !== ALL) throw itemFault(item, `Architecture: ${architecture} or ${ALL}`, shown(own))
  const ours = [...fields.keys()].find(field => OUR_FIELDS.includes(field.toLowerCase()))
  if (ours !== undefined) throw itemFault(item, `no field ${ours}: the mirror writes it`, shown(fields.get(ours)))
  const file = await blobs.open(parseDigest(onlyBlob(item).digest))
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(DEB_MAGIC.length), 0, DEB_MAGIC.length, 0)
    if (buffer.toString('latin1', 0, bytesRead) !== DEB_MAGIC) throw itemFault(item, 'a .deb', shown(buffer.toString('latin1', 0, bytesRead)))
  } finally {
    await file.close()
  }
}

/** `indexed` is the architecture whose index it came from; `architecture` is its own, which may be `all`. */
type Deb = { item: Item; suite: string; component: string; indexed: string; architecture: string; path: string; stanza: string }

async function* render(previous: RenderView, changes: readonly Item[], signer: ReleaseSigner, clock: Clock): AsyncIterable<Rendered> {
  const debs = changes.map(debOf)
  for (const deb of debs) yield { path: deb.path, mediaType: 'application/vnd.debian.binary-package', immutable: true, digest: parseDigest(onlyBlob(deb.item).digest) }
  for (const suite of new Set(debs.map(deb => deb.suite))) yield* renderSuite(previous, suite, debs.filter(deb => deb.suite === suite), signer, clock)
}

async function* renderSuite(previous: RenderView, suite: string, debs: readonly Deb[], signer: ReleaseSigner, clock: Clock): AsyncIterable<Rendered> {
  const root = `dists/${suite}`
  const files = new Map(releaseFiles((await textAt(previous, `${root}/Release`)) ?? '').map(file => [file.path, file]))
  const architectures = [...new Set([...architecturesOf([...files.values()]), ...debs.map(deb => deb.indexed)])].filter(architecture => architecture !== ALL)
  for (const component of new Set(debs.map(deb => deb.component))) {
    for (const [architecture, packages] of await changedPackages(previous, `${root}/${component}`, debs.filter(deb => deb.component === component), architectures)) {
      for (const [name, bytes] of [['Packages', Buffer.from(packages)], ['Packages.gz', gzipSync(packages)]] as const) {
        const file: IndexFile = indexFile(`${component}/binary-${architecture}/${name}`, bytes)
        files.set(file.path, file)
        const mediaType = name === 'Packages' ? TEXT : 'application/gzip'
        yield { path: `${root}/${file.path}`, mediaType, bytes }
        yield { path: `${root}/${component}/binary-${architecture}/by-hash/SHA256/${file.sha256}`, mediaType, immutable: true, bytes }
      }
    }
  }
  const release = releaseText(suite, [...files.values()], clock.now())
  yield { path: `${root}/Release`, mediaType: TEXT, bytes: release }
  yield { path: `${root}/Release.gpg`, mediaType: 'application/pgp-signature', bytes: await signer.sign(Buffer.from(release)) }
  yield { path: `${root}/InRelease`, mediaType: TEXT, bytes: await signer.clearSign(release) }
}

/** Architecture → Packages, for those that are different now. A package for all stands in every one, also in one that begins only now. */
async function changedPackages(previous: RenderView, folder: string, debs: readonly Deb[], architectures: readonly string[]): Promise<Map<string, string>> {
  const before = (architecture: string): Promise<string | undefined> => textAt(previous, `${folder}/binary-${architecture}/Packages`)
  const stanzas = (architecture: string): string[] => debs.filter(deb => deb.architecture === architecture).map(deb => deb.stanza)
  const forAll = stanzas(ALL)
  const ofAll = mergePackages((await before(ALL)) ?? '', forAll)
  const changed = new Map([[ALL, ofAll]])
  for (const architecture of architectures) {
    const own = stanzas(architecture)
    const packages = await before(architecture)
    if (own.length > 0 || forAll.length > 0 || packages === undefined) changed.set(architecture, mergePackages(packages ?? ofAll, [...forAll, ...own]))
  }
  return changed
}

async function textAt(previous: RenderView, path: string): Promise<string | undefined> {
  return (await previous.read('deb', path))?.toString('utf8')
}

function debOf(item: Item): Deb {
  const { suite, component, architecture: indexed, control } = metadataOf(DebMetadata, item)
  const blob = onlyBlob(item)
  const architecture = parseStanza(control)?.get('Architecture') === ALL ? ALL : indexed
  const [epoch, version] = item.version.includes(':') ? [item.version.slice(0, item.version.indexOf(':')), item.version.slice(item.version.indexOf(':') + 1)] : ['0', item.version]
  const path = `pool/${suite}/${component}/${item.name}/${epoch === '0' ? '' : `${epoch}/`}${item.name}_${version}_${architecture}.deb`
  const stanza = `${control.replace(/\n+$/, '')}\nFilename: ${path}\nSize: ${blob.size}\nSHA256: ${hexOf(parseDigest(blob.digest))}`
  return { item, suite, component, indexed, architecture, path, stanza }
}

