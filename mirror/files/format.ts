import Type from 'typebox'
import { parseDigest } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { MirrorFormat, Rendered, RenderView } from '../store/format.ts'
import { itemFault, metadataOf, onlyBlob, shown } from '../store/item-fault.ts'
import { JSON_LISTING, listingHtml, mergeListing, parseListing, type ListingEntry } from './listing.ts'

const FileMetadata = Type.Object({ path: Type.String({ minLength: 1, maxLength: 1024 }), executable: Type.Optional(Type.Boolean()) })

/** Where jobs keep things; imported names never stand there. */
const OWN_FOLDER = 'site'
const MAX_SEGMENT_BYTES = 255

/**
 * /files/<path>: plain HTTP with listings, as a page and as JSON. Every file is sent as octets, whatever its name says: it shares its
 * origin with the console, so nothing in it may ever run in a browser.
 */
export function filesFormat(): MirrorFormat {
  return {
    kind: 'file',
    prefix: 'files',
    stamp: '',
    async validate(item) {
      onlyBlob(item)
      const { path } = metadataOf(FileMetadata, item)
      if (!path.split('/').every(isPlainSegment)) throw itemFault(item, 'a relative path of plain names', shown(path))
      if (path.split('/')[0] === OWN_FOLDER) throw itemFault(item, `a path outside ${OWN_FOLDER}/, which belongs to this site`, shown(path))
    },
    render,
    find({ path, accept }) {
      if (path !== '' && !path.endsWith('/')) return { path, headers: entry => ({ 'repr-digest': `sha-256=:${Buffer.from(entry.digest.slice(7), 'hex').toString('base64')}:` }) }
      const folder = path === '' ? '/' : path
      const headers = (): Record<string, string> => ({ vary: 'accept' })
      return accept.includes('application/json') ? { path: folder + JSON_LISTING, headers } : { path: folder, headers }
    },
    refusal: (status, what) => ({ body: `${status} ${status === 404 ? `not found: ${what}` : what}\n`, mediaType: 'text/plain; charset=utf-8' }),
  }
}

async function* render(previous: RenderView, changes: readonly Item[]): AsyncIterable<Rendered> {
  const folders = new Map<string, Map<string, ListingEntry>>()
  for (const item of changes) {
    const blob = onlyBlob(item)
    const names = metadataOf(FileMetadata, item).path.split('/')
    const digest = parseDigest(blob.digest)
    yield { path: names.join('/'), mediaType: 'application/octet-stream', digest }
    names.forEach((name, depth) => {
      const folder = `${names.slice(0, depth).join('/')}/`
      const isFile = depth === names.length - 1
      const entries = folders.get(folder) ?? new Map<string, ListingEntry>()
      folders.set(folder, entries.set(name, isFile ? { name, type: 'file', size: blob.size, digest } : { name, type: 'folder' }))
    })
  }
  for (const [folder, entries] of folders) {
    const before = await previous.read('file', folder + JSON_LISTING)
    const listing = mergeListing(before === undefined ? [] : parseListing(before), entries)
    yield { path: folder + JSON_LISTING, mediaType: 'application/json', bytes: JSON.stringify({ path: folder, entries: listing }) }
    yield { path: folder, mediaType: 'text/html; charset=utf-8', bytes: listingHtml(folder, listing) }
  }
}

function isPlainSegment(segment: string): boolean {
  return segment !== '' && segment !== '.' && segment !== '..' && Buffer.byteLength(segment) <= MAX_SEGMENT_BYTES && !/[\p{Cc}\\]/u.test(segment) && segment.isWellFormed()
}
