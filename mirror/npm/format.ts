import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { clean, valid } from 'semver'
import Type from 'typebox'
import { parseDigest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { Json } from '../../bundles/format/json.ts'
import { findAfter, type MirrorFormat, type Rendered, type RenderView } from '../store/format.ts'
import { itemFault, metadataOf, onlyBlob, shown } from '../store/item-fault.ts'
import { isPackageName, SITE_SCOPE, tarballName } from './names.ts'
import { topManifests } from './tarball.ts'
import { abbreviated, packumentOf, type VersionManifest } from './packument.ts'

const NpmMetadata = Type.Object({
  manifest: Type.Record(Type.String(), Type.Unknown()),
  integrity: Type.String({ pattern: '^sha512-[A-Za-z0-9+/]{86}==$' }),
  tags: Type.Array(Type.String({ maxLength: 214 }), { maxItems: 1000 }),
})

const ABBREVIATED_TYPE = 'application/vnd.npm.install-v1+json'
/** Ends the catalogue path of the abbreviated form; a control character, which no request can hold. */
const ABBREVIATED_PATH = '\u001fabbreviated'

/** /npm/<name> and /npm/<name>/-/<file>.tgz. Publishing, search, tags and logins are verdaccio's: private-registry.ts. */
export function npmFormat(options: { publicUrl: string }): MirrorFormat {
  const base = `${options.publicUrl.replace(/\/+$/, '')}/npm`
  return {
    kind: 'npm',
    prefix: 'npm',
    stamp: base,
    async validate(item, blobs) {
      const path = blobs.blobPath(parseDigest(onlyBlob(item).digest))
      if (!isPackageName(item.name)) throw itemFault(item, 'a package name', shown(item.name))
      if (item.name.startsWith(SITE_SCOPE)) throw itemFault(item, `a name outside ${SITE_SCOPE}, which belongs to this site`, shown(item.name))
      if (valid(item.version) !== item.version) throw itemFault(item, 'a semantic version', shown(item.version))
      const { manifest, integrity } = metadataOf(NpmMetadata, item)
      for (const [field, wanted] of [['name', item.name], ['version', item.version]] as const) {
        if (manifest[field] !== wanted) throw itemFault(item, `manifest.${field} ${shown(wanted)}`, shown(manifest[field]))
      }
      const found = await integrityOf(path)
      if (found.sha512 !== integrity) throw itemFault(item, `a tarball with integrity ${integrity}`, found.sha512)
      const { shasum } = distOf(manifest)
      if (shasum !== undefined && shasum !== found.sha1) throw itemFault(item, `a tarball with shasum ${shown(shasum)}`, found.sha1)
      await validateTarball(item, path)
    },
    *render(previous: RenderView, changes: readonly Item[]): Iterable<Rendered> {
      for (const name of new Set(changes.map(item => item.name))) {
        const packument = packumentOf(name, findAfter(previous, changes, 'npm', name).map(item => releaseOf(item, base)))
        yield { path: name, mediaType: 'application/json; charset=utf-8', bytes: canonicalJson(packument) }
        yield { path: `-/package/${name}/dist-tags`, mediaType: 'application/json; charset=utf-8', bytes: canonicalJson(packument['dist-tags']) }
        yield { path: name + ABBREVIATED_PATH, mediaType: `${ABBREVIATED_TYPE}; charset=utf-8`, bytes: canonicalJson(abbreviated(packument)) }
      }
      for (const item of changes) {
        yield { path: `${item.name}/-/${tarballName(item.name, item.version)}`, mediaType: 'application/octet-stream', immutable: true, digest: parseDigest(onlyBlob(item).digest) }
      }
    },
    find({ path, accept }) {
      if (path === '-/ping') return { body: '{}', mediaType: 'application/json' }
      if (path.startsWith('-/') || path.includes('/-/')) return { path }
      const headers = (): Record<string, string> => ({ vary: 'accept' })
      return accept.includes(ABBREVIATED_TYPE) ? { path: path + ABBREVIATED_PATH, headers } : { path, headers }
    },
    refusal: (status, what) => ({ body: JSON.stringify({ error: status === 404 ? `not found: ${what}` : what }), mediaType: 'application/json' }),
  }
}

function releaseOf(item: Item, base: string): { version: string; tags: string[]; manifest: VersionManifest } {
  const { manifest, integrity, tags } = metadataOf(NpmMetadata, item)
  const dist = { ...distOf(manifest), integrity, tarball: `${base}/${item.name}/-/${tarballName(item.name, item.version)}` }
  return { version: item.version, tags, manifest: { ...(manifest as VersionManifest), dist } }
}

function distOf(manifest: Record<string, unknown>): Record<string, Json> {
  const dist = manifest['dist']
  return typeof dist === 'object' && dist !== null ? (dist as Record<string, Json>) : {}
}

/** The tarball must be the package that its manifest says: npm installs by the one and runs the other. */
async function validateTarball(item: Item, path: string): Promise<void> {
  const manifests = await topManifests(path)
  if ('fault' in manifests) throw itemFault(item, 'an npm tarball', manifests.fault)
  if (manifests.length === 0) throw itemFault(item, 'a package.json in its tarball', 'none')
  for (const text of manifests) {
    const { name, version } = parseManifest(text)
    if (name !== item.name) throw itemFault(item, `a tarball of ${shown(item.name)}`, `package.json of ${shown(name)}`)
    if (typeof version !== 'string' || clean(version, { loose: true }) !== clean(item.version)) throw itemFault(item, `a tarball of version ${shown(item.version)}`, `package.json of ${shown(version)}`)
  }
}

function parseManifest(text: string): { name?: unknown; version?: unknown } {
  try {
    return (JSON.parse(text.replace(/^\uFEFF/, '')) as { name?: unknown; version?: unknown } | null) ?? {}
  } catch {
    return {}
  }
}

/** Subresource integrity (SHA-512) and the old SHA-1 of a tarball, read once. */
async function integrityOf(path: string): Promise<{ sha512: string; sha1: string }> {
  const [sha512, sha1] = [createHash('sha512'), createHash('sha1')]
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    sha512.update(chunk)
    sha1.update(chunk)
  }
  return { sha512: `sha512-${sha512.digest('base64')}`, sha1: sha1.digest('hex') }
}
