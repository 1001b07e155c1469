import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** All package.json at the top together, and one long name: larger ones are refused, bytes. A thousand of them would compress to nothing. */
const MANIFEST_BYTES = 4 * 1024 * 1024
/** Where a tarball may end unpacked; nothing of it is kept but package.json. */
const UNPACKED_BYTES = 8 * 1024 ** 3
const BLOCK = 512
/** A PAX record that replaces the size of the next entry. npm writes it beside a long name; another than the header's would show npm other entries than us. */
const PAX_SIZE = /(?:^|\n)\d+ size=(\d*)/

export type TarballFault = { fault: string }

/**
 * Every package.json at the top of an npm tarball, as text: npm unpacks `<anything>/package.json`, and the last one wins, so all of them
 * count. Names that leave the package's folder are a fault. Nothing is written.
 */
export async function topManifests(path: string): Promise<string[] | TarballFault> {
  const manifests: string[] = []
  let held = 0
  const reader = tarReader(path)
  try {
    let longName: string | undefined
    let paxSize: string | undefined
    for (;;) {
      const header = await reader.take(BLOCK)
      if (header === undefined || header.every(byte => byte === 0)) return manifests
      const size = sizeOf(header)
      const type = String.fromCharCode(header[156] ?? 0)
      if (size === undefined) return { fault: 'a tar header that is none' }
      const padded = Math.ceil(size / BLOCK) * BLOCK
      const name = longName ?? nameOf(header)
      const isName = type === 'x' || type === 'L'
      if (!isName && type !== 'g') {
        if (paxSize !== undefined && Number(paxSize) !== size) return { fault: `a size of ${paxSize} bytes that its header does not say` }
        paxSize = undefined
      }
      const isManifest = !isName && /^[^/]+\/package\.json$/.test(name.replace(/^(\.\/)+/, ''))
      if (!isName && name.split('/').includes('..')) return { fault: `the name ${JSON.stringify(name.slice(0, 120))}` }
      if ((isName || isManifest) && size > MANIFEST_BYTES) return { fault: `${size} bytes in ${isName ? 'a name' : 'package.json'}` }
      if (isName || isManifest) {
        const content = (await reader.take(padded))?.toString('utf8', 0, size)
        if (content === undefined) return { fault: 'a tarball that ends early' }
        if (type === 'x') paxSize = PAX_SIZE.exec(content)?.[1] ?? paxSize
        if (isManifest && (held += size) > MANIFEST_BYTES) return { fault: `more than ${MANIFEST_BYTES} bytes in package.json` }
        if (isManifest) manifests.push(content)
        longName = isName ? (type === 'L' ? content.replace(/\0+$/, '') : (/(?:^|\n)\d+ path=(.*)\n/.exec(content)?.[1] ?? longName)) : undefined
      } else {
        if (!(await reader.skip(padded))) return { fault: 'a tarball that ends early' }
        if (type !== 'g') longName = undefined
      }
    }
  } catch {
    return { fault: 'bytes that cannot be unpacked' }
  } finally {
    reader.close()
  }
}

function nameOf(header: Buffer): string {
  const text = (from: number, length: number): string => header.toString('utf8', from, from + length).split('\0', 1)[0] ?? ''
  const prefix = text(257, 5) === 'ustar' && header[262] === 0 ? text(345, 155) : ''
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`
}

function sizeOf(header: Buffer): number | undefined {
  const text = header.toString('latin1', 124, 136).replaceAll('\0', ' ').trim()
  return /^[0-7]{1,12}$/.test(text) ? Number.parseInt(text, 8) : undefined
}

/** Takes and skips bytes of the unpacked stream; never more in memory than one chunk and what is asked for. */
function tarReader(path: string): { take(length: number): Promise<Buffer | undefined>; skip(length: number): Promise<boolean>; close(): void } {
  const unpacked = pipeline(createReadStream(path), createGunzip(), () => undefined)
  const chunks = (unpacked as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  let total = 0
  const more = async (): Promise<boolean> => {
    const { done, value } = await chunks.next()
    if (done === true) return false
    total += value.length
    rest = rest.length === 0 ? value : Buffer.concat([rest, value])
    return total <= UNPACKED_BYTES
  }
  return {
    async take(length) {
      while (rest.length < length) if (!(await more())) return undefined
      const taken = rest.subarray(0, length)
      rest = rest.subarray(length)
      return taken
    },
    async skip(length) {
      let left = length
      for (;;) {
        const now = Math.min(left, rest.length)
        rest = rest.subarray(now)
        left -= now
        if (left === 0) return true
        if (!(await more())) return false
      }
    },
    close: () => unpacked.destroy(),
  }
}
