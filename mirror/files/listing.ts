import { escapeHtml } from '../store/html.ts'

/** Ends the catalogue path of a folder's JSON form. A control character: no request and no file name can hold one. */
export const JSON_LISTING = '\u001fjson'

export type ListingEntry = { name: string; type: 'file'; size: number; digest: string } | { name: string; type: 'folder' }

/** Only what {@link filesFormat} rendered comes here, and its digest was checked. */
export function parseListing(bytes: Buffer): ListingEntry[] {
  return (JSON.parse(bytes.toString('utf8')) as { entries: ListingEntry[] }).entries
}

export function mergeListing(before: readonly ListingEntry[], changes: ReadonlyMap<string, ListingEntry>): ListingEntry[] {
  const entries = new Map(before.map(entry => [entry.name, entry]))
  for (const [name, entry] of changes) entries.set(name, entry)
  return [...entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export function listingHtml(folder: string, entries: readonly ListingEntry[]): string {
  const rows = entries.map(entry => {
    const name = entry.type === 'folder' ? `${entry.name}/` : entry.name
    const link = entry.type === 'folder' ? `${encodeURIComponent(entry.name)}/` : encodeURIComponent(entry.name)
    return `<tr><td><a href="./${link}">${escapeHtml(name)}</a></td><td>${entry.type === 'file' ? `${entry.size}</td><td>${entry.digest}` : '</td><td>'}</td></tr>`
  })
  const up = folder === '/' ? '' : '<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n'
  return `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(folder)}</title></head><body>\n<h1>${escapeHtml(folder)}</h1>\n<table>\n${up}${rows.join('\n')}\n</table>\n</body></html>\n`
}
