/** Where jobs publish; imported packages never have this scope. */
export const SITE_SCOPE = '@site/'

/** https://docs.npmjs.com/cli/configuring-npm/package-json#name, without the capitals that old packages may still have: those are allowed. */
const NAME = /^(@[a-zA-Z0-9~-][a-zA-Z0-9._~-]*\/)?[a-zA-Z0-9~_-][a-zA-Z0-9._~-]*$/

export function isPackageName(name: string): boolean {
  return name.length <= 214 && NAME.test(name) && name !== 'node_modules' && name !== 'favicon.ico'
}

/** The file name that npm gives a tarball: no scope in it. */
export function tarballName(name: string, version: string): string {
  return `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`
}
