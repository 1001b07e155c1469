import Type from 'typebox'
import { asDrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { isReleaseName, SITE_SCOPE, tarballName } from './names.ts'

/** What npm sends: `_attachments` holds the tarball as `@site/tool-1.0.0.tgz`, and `dist` says where it is to be had. */
const Publish = Type.Object({ _attachments: Type.Record(Type.String(), Type.Unknown()), versions: Type.Record(Type.String(), Type.Object({ dist: Type.Object({ tarball: Type.String() }) })) })
/** With the revision, when npm changes what is here. */
const PACKAGE = new RegExp(`^/(${SITE_SCOPE}[^/]+)(?:/-rev/[^/]*)?$`)

/**
 * verdaccio keeps an attachment under whatever name the client gives it, and serves it. What no version stands for nobody would find by a version, and
 * `npm unpublish` of a version would not take it away: so it does not come in.
 * @param path behind `/npm`, decoded
 * @returns what is wrong with a publish; undefined of everything else
 */
export function attachmentFault(method: string, path: string, body: unknown): string | undefined {
  if (method !== 'PUT') return undefined
  if (!path.startsWith('/-/') && path.includes('/-/')) return 'expected the tarball in the publish itself, as npm sends it, found it alone'
  if (!hasAttachments(body)) return undefined
  const [, name] = PACKAGE.exec(path) ?? []
  if (name === undefined) return `expected a tarball for a package of ${SITE_SCOPE}, found one for ${JSON.stringify(path.slice(0, 120))}`
  try {
    const publish = checkShape(Publish, body, 'the publish')
    const [[version, about] = ['', undefined], ...versions] = Object.entries(publish.versions)
    const [file = '', ...files] = Object.keys(publish._attachments)
    if (versions.length > 0 || files.length > 0 || !isReleaseName(version)) return 'expected one version, such as 1.0.0, with one tarball'
    const wanted = tarballName(name, version)
    const strange = [file, about?.dist.tarball ?? ''].map(path => path.slice(path.lastIndexOf('/') + 1)).find(found => found !== wanted)
    return strange === undefined ? undefined : `expected the tarball of version ${version} to be called ${wanted}, found ${JSON.stringify(strange.slice(0, 120))}`
  } catch (failure) {
    return asDrydockError(failure).message
  }
}

/** Deprecations, dist-tags and unpublishing of one version send none, or no names in it. */
function hasAttachments(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || !('_attachments' in body)) return false
  const { _attachments: attachments } = body
  return attachments !== undefined && attachments !== null && JSON.stringify(attachments) !== '{}'
}
