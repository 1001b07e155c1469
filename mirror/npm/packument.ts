import { compare, prerelease, rcompare } from 'semver'
import type { Json } from '../../bundles/format/json.ts'

export type VersionManifest = Record<string, Json>
export type Release = { version: string; tags: readonly string[]; manifest: VersionManifest }
export type Packument = { _id: string; name: string; 'dist-tags': Record<string, string>; versions: Record<string, VersionManifest>; [field: string]: Json }

/** Fields of a version in the abbreviated form: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md */
const ABBREVIATED = [
  'name', 'version', 'deprecated', 'dependencies', 'optionalDependencies', 'devDependencies', 'bundleDependencies', 'bundledDependencies', 'peerDependencies',
  'peerDependenciesMeta', 'acceptDependencies', 'bin', 'directories', 'dist', 'engines', 'cpu', 'os', 'libc', 'funding', '_hasShrinkwrap',
] as const

const PACKAGE_FIELDS = ['description', 'homepage', 'keywords', 'license', 'author', 'repository', 'bugs', 'maintainers'] as const
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'] as const

/** The document of one package. Deterministic: no times, no revision; the same releases give the same bytes. */
export function packumentOf(name: string, releases: readonly Release[]): Packument {
  const sorted = releases.toSorted((a, b) => compare(a.version, b.version))
  const tags = tagsOf(sorted)
  const latest = sorted.find(release => release.version === tags['latest'])
  const about = Object.fromEntries(PACKAGE_FIELDS.flatMap(field => (latest?.manifest[field] === undefined ? [] : [[field, latest.manifest[field]]])))
  return { _id: name, name, ...about, 'dist-tags': tags, versions: Object.fromEntries(sorted.map(release => [release.version, release.manifest])) } as Packument
}

/** What `npm install` asks for. */
export function abbreviated(packument: Packument): Json {
  return {
    name: packument.name,
    'dist-tags': packument['dist-tags'],
    versions: Object.fromEntries(Object.entries(packument.versions).map(([version, manifest]) => [version, abbreviatedVersion(manifest)])),
  }
}

function abbreviatedVersion(manifest: VersionManifest): VersionManifest {
  const short: VersionManifest = {}
  for (const field of ABBREVIATED) if (manifest[field] !== undefined) short[field] = manifest[field]
  const scripts = manifest['scripts']
  const installs = typeof scripts === 'object' && scripts !== null && !Array.isArray(scripts) && INSTALL_SCRIPTS.some(name => scripts[name] !== undefined)
  if (installs || manifest['hasInstallScript'] === true) short['hasInstallScript'] = true
  return short
}

/** Upstream's tags where a bundle brought them, the newest release that has one; `latest` always stands for something. */
function tagsOf(sorted: readonly Release[]): Record<string, string> {
  const tags: Record<string, string> = {}
  for (const release of sorted) for (const tag of release.tags) tags[tag] = release.version
  if (tags['latest'] === undefined) {
    const newest = sorted.toSorted((a, b) => rcompare(a.version, b.version))
    const latest = newest.find(release => prerelease(release.version) === null) ?? newest[0]
    if (latest !== undefined) tags['latest'] = latest.version
  }
  return tags
}
