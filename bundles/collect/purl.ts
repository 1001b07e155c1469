/** A package URL (https://github.com/package-url/purl-spec): what a thing is, never where it was fetched from. */
export function purl(type: string, path: readonly string[], version: string, qualifiers: Record<string, string> = {}): string {
  const rest = Object.entries(qualifiers).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')
  return `pkg:${type}/${path.map(encodeURIComponent).join('/')}@${encodeURIComponent(version)}${rest === '' ? '' : `?${rest}`}`
}
