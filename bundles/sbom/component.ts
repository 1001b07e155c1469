import { Enums, Models } from '@cyclonedx/cyclonedx-library'
import { PackageURL } from 'packageurl-js'
import { hexOf } from '../../appliance/core/digest.ts'
import { itemKey, type Item, type ItemBlob, type ItemKind } from '../format/item.ts'
import { componentLicences } from './licences.ts'
import { properties } from './properties.ts'

const TYPES = {
  npm: Enums.ComponentType.Library, pypi: Enums.ComponentType.Library, deb: Enums.ComponentType.Library, go: Enums.ComponentType.Library,
  crate: Enums.ComponentType.Library, maven: Enums.ComponentType.Library, nuget: Enums.ComponentType.Library,
  oci: Enums.ComponentType.Container, image: Enums.ComponentType.OperatingSystem, appliance: Enums.ComponentType.Application,
  file: Enums.ComponentType.File, role: Enums.ComponentType.Data, trust: Enums.ComponentType.Data, recall: Enums.ComponentType.Data, advisories: Enums.ComponentType.Data,
} as const satisfies Record<ItemKind, Enums.ComponentType>

/** @param travels whether a blob is in this bundle; in a delta the receiver holds the others already */
export function componentOf(item: Item, travels: (blob: ItemBlob) => boolean): Models.Component {
  const key = itemKey(item)
  const purl = validPurl(item.source)
  const [only, ...more] = item.blobs
  const [group, name] = item.kind === 'npm' && item.name.startsWith('@') ? item.name.split('/', 2) : [undefined, item.name]
  return new Models.Component(TYPES[item.kind], name ?? item.name, {
    bomRef: key,
    ...(group === undefined || name === undefined ? {} : { group }),
    version: item.version,
    ...(purl === undefined ? {} : { purl }),
    licenses: componentLicences(item),
    // One hash an algorithm: what has several blobs has them as components of its own.
    ...(only === undefined || more.length > 0 ? {} : { hashes: sha256(only) }),
    ...(more.length === 0 ? {} : { components: new Models.ComponentRepository(item.blobs.map((blob, k) => blobComponent(`${key}/${k}`, blob, travels))) }),
    properties: properties({
      kind: item.kind, variant: item.variant, ...(purl === undefined ? { source: item.source } : {}),
      'upstream:digest': item.upstream?.digest, 'upstream:signedBy': item.upstream?.signedBy,
      'licence:claim': item.licenceClaims,
      ...ofKind(item),
      ...(only === undefined || more.length > 0 ? {} : blobFacts(only, travels)),
    }),
  })
}

function blobComponent(bomRef: string, blob: ItemBlob, travels: (blob: ItemBlob) => boolean): Models.Component {
  return new Models.Component(Enums.ComponentType.File, blob.name, { bomRef, hashes: sha256(blob), properties: properties({ mediaType: blob.mediaType, ...blobFacts(blob, travels) }) })
}

function blobFacts(blob: ItemBlob, travels: (blob: ItemBlob) => boolean): Record<string, unknown> {
  return { size: blob.size, travels: travels(blob) ? 'in this bundle' : 'held by the receiver' }
}

function sha256(blob: ItemBlob): Models.HashDictionary {
  return new Models.HashDictionary([[Enums.HashAlgorithm['SHA-256'], hexOf(blob.digest)]])
}

/** A purl that other programs can read, or none: its grammar is theirs to judge. */
function validPurl(text: string): string | undefined {
  try {
    return PackageURL.fromString(text).toString()
  } catch {
    return undefined
  }
}

/** What a security officer looks for, by kind (metadata: bundles/format/item.ts). */
function ofKind({ kind, metadata }: Item): Record<string, unknown> {
  const { manifest, files } = metadata
  switch (kind) {
    case 'npm':
      return { 'npm:integrity': metadata['integrity'], 'npm:tag': metadata['tags'], 'npm:installScript': isRecord(manifest) && manifest['hasInstallScript'] === true ? true : undefined }
    case 'pypi':
      return { 'pypi:requiresPython': Array.isArray(files) ? [...new Set(files.flatMap((file: unknown) => (isRecord(file) ? [file['requiresPython']] : [])))] : undefined }
    case 'deb':
      return { 'deb:suite': metadata['suite'], 'deb:component': metadata['component'], 'deb:architecture': metadata['architecture'], 'deb:filename': metadata['filename'] }
    case 'oci':
      return { 'oci:digest': metadata['digest'], 'oci:mediaType': metadata['mediaType'] }
    case 'file':
      return { 'file:path': metadata['path'], 'file:executable': metadata['executable'] }
    default:
      return {}
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
