/** Where jobs publish; imported packages never have this scope. */
export const SITE_SCOPE = '@site/'

/** https://docs.npmjs.com/cli/configuring-npm/package-json#name, without the capitals that old packages may still have: those are allowed. */
const NAME = /^(@[a-zA-Z0-9~-][a-zA-Z0-9._~-]*\/)?[a-zA-Z0-9~_-][a-zA-Z0-9._~-]*$/

export function isPackageName(name: string): boolean {
  return name.length <= 214 && NAME.test(name) && name !== 'node_modules' && name !== 'favicon.ico'
}

/** Semantic versioning 2.0.0, section 2 and 9; npm leaves build metadata (10) out. */
const RELEASE = /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$/

export function isReleaseName(version: string): boolean {
  return version.length <= 256 && RELEASE.test(version)
}

/** The file name that npm gives a tarball: no scope in it. */
export function tarballName(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`
}

/** What stands behind `/npm`, without its query, decoded once. */
export function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? ''
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
