import Type from 'typebox'
import { parseDigest } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { DigestText, type Item } from '../../bundles/format/item.ts'
import { findAfter, type Entry, type MirrorFormat, type Rendered, type RenderView } from '../store/format.ts'
import { itemFault, metadataOf, shown } from '../store/item-fault.ts'
import { isManifestType, MANIFEST_TYPES } from './manifest.ts'
import { isImportedName, isTag } from './names.ts'
import { mergeReferrers, NO_REFERRERS, referrersIn } from './referrers.ts'
import { validateTree } from './tree.ts'

const OciMetadata = Type.Object({ mediaType: Type.Enum(MANIFEST_TYPES), digest: DigestText })

const JSON_TYPE = 'application/json'
const VERSION = { 'docker-distribution-api-version': 'registry/2.0' }

/** /v2/…: the pull side of the distribution spec, with tags, catalogue and referrers. Bytes are served as they came, so digests stay. */
export function ociFormat(): MirrorFormat {
  return {
    kind: 'oci',
    prefix: 'v2',
    stamp: '',
    async validate(item, blobs) {
      if (!isImportedName(item.name)) throw itemFault(item, 'a repository name outside site/ and g/<n>/', shown(item.name))
      if (!isTag(item.version)) throw itemFault(item, 'a tag', shown(item.version))
      const { digest, mediaType } = metadataOf(OciMetadata, item)
      await validateTree(item, { digest: parseDigest(digest), mediaType }, blobs)
    },
    render,
    find({ path }) {
      if (path === '') return { body: '{}', mediaType: JSON_TYPE, headers: VERSION }
      const referrers = /\/referrers\/sha256:[0-9a-f]{64}$/.test(path)
      const named = (entry: Entry): Record<string, string> => (/\/(manifests|blobs)\//.test(path) ? { ...VERSION, 'docker-content-digest': entry.digest } : VERSION)
      return { path, headers: named, ...(referrers ? { otherwise: NO_REFERRERS } : {}) }
    },
    refusal(status, what) {
      const code = status === 405 ? 'UNSUPPORTED' : status !== 404 ? 'UNKNOWN' : what.includes('/manifests/') ? 'MANIFEST_UNKNOWN' : what.includes('/blobs/') ? 'BLOB_UNKNOWN' : 'NAME_UNKNOWN'
      return { body: JSON.stringify({ errors: [{ code, message: status === 404 ? `not found: ${what}` : what, detail: null }] }), mediaType: JSON_TYPE, headers: VERSION }
    },
  }
}

async function* render(previous: RenderView, changes: readonly Item[]): AsyncIterable<Rendered> {
  for (const item of changes) {
    const { mediaType, digest } = metadataOf(OciMetadata, item)
    yield { path: `${item.name}/manifests/${item.version}`, mediaType, digest: parseDigest(digest) }
    for (const blob of item.blobs) {
      const found = parseDigest(blob.digest)
      yield { path: `${item.name}/blobs/${found}`, mediaType: 'application/octet-stream', immutable: true, digest: found }
      if (isManifestType(blob.mediaType)) yield { path: `${item.name}/manifests/${found}`, mediaType: blob.mediaType ?? mediaType, immutable: true, digest: found }
    }
    yield { path: `${item.name}/manifests/${digest}`, mediaType, immutable: true, digest: parseDigest(digest) }
  }
  for (const [path, referrers] of await referrersIn(changes, previous)) {
    yield { path, mediaType: NO_REFERRERS.mediaType, bytes: mergeReferrers(await previous.read('oci', path), referrers) }
  }
  const names = new Set(previous.names('oci'))
  const before = names.size
  for (const name of new Set(changes.map(item => item.name))) {
    names.add(name)
    const tags = findAfter(previous, changes, 'oci', name).map(item => item.version).toSorted()
    yield { path: `${name}/tags/list`, mediaType: JSON_TYPE, bytes: canonicalJson({ name, tags }) }
  }
  if (names.size !== before) yield { path: '_catalog', mediaType: JSON_TYPE, bytes: canonicalJson({ repositories: [...names].toSorted() }) }
}
