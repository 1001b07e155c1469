import { createReadStream } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createInflateRaw } from 'node:zlib'

/** The central directory of a wheel may be this large, bytes; 100,000 files need about 10 MB. */
const DIRECTORY_BYTES = 64 * 1024 * 1024
const END_BYTES = 22
const COMMENT_BYTES = 65_535

export type ZipEntry = { name: string; method: number; packedSize: number; size: number; offset: number }

/** What is wrong with an archive, in words for the message that names the item. */
export class ZipFault {
  readonly found: string
  constructor(found: string) {
    this.found = found
  }
}

/**
 * The central directory of a zip (APPNOTE 6.3.9), which is what pip goes by; nothing is unpacked. Zip64 and encryption are faults: no wheel
 * that pip installs has either.
 */
export async function zipEntries(path: string): Promise<ZipEntry[] | ZipFault> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const tail = await bytesAt(handle, Math.max(0, size - END_BYTES - COMMENT_BYTES), Math.min(size, END_BYTES + COMMENT_BYTES))
    const at = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
    if (at < 0 || at + END_BYTES > tail.length) return new ZipFault('no zip archive')
    const [count, length, start] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)]
    if (start + length > size || count === 0xffff || start === 0xffffffff) return new ZipFault('a zip whose directory lies outside of it')
    if (length > DIRECTORY_BYTES) return new ZipFault(`a zip directory of ${length} bytes, more than ${DIRECTORY_BYTES}`)
    return parseDirectory(await bytesAt(handle, start, length), count)
  } finally {
    await handle.close()
  }
}

function parseDirectory(bytes: Buffer, count: number): ZipEntry[] | ZipFault {
  const entries: ZipEntry[] = []
  let at = 0
  while (entries.length < count) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50) return new ZipFault('a zip directory that ends early')
    const [flags, method, packedSize, size] = [bytes.readUInt16LE(at + 8), bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24)]
    const [nameLength, extra, comment, offset] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32), bytes.readUInt32LE(at + 42)]
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    if ((flags & 1) !== 0 || (method !== 0 && method !== 8)) return new ZipFault(`a zip entry that is encrypted or packed in an unknown way (${JSON.stringify(name.slice(0, 80))})`)
    entries.push({ name, method, packedSize, size, offset })
    at += 46 + nameLength + extra + comment
  }
  return entries
}

/** The content of one entry. Ends with a fault as soon as it has more bytes than the directory says: no bomb gets further. */
export async function* zipContent(path: string, entry: ZipEntry): AsyncGenerator<Buffer, ZipFault | undefined> {
  const handle = await open(path, 'r')
  let header: Buffer
  try {
    header = await bytesAt(handle, entry.offset, 30)
  } finally {
    await handle.close()
  }
  if (header.length < 30 || header.readUInt32LE(0) !== 0x04034b50) return new ZipFault(`no file where the directory says ${JSON.stringify(entry.name.slice(0, 80))}`)
  if (entry.packedSize === 0) return entry.size === 0 ? undefined : new ZipFault('an entry that ends early')
  const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  const packed = createReadStream(path, { start, end: start + entry.packedSize - 1, highWaterMark: 256 * 1024 })
  const content = entry.method === 0 ? packed : pipeline(packed, createInflateRaw(), () => undefined)
  let size = 0
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > entry.size) break
      yield chunk
    }
  } catch {
    return new ZipFault(`bytes of ${JSON.stringify(entry.name.slice(0, 80))} that cannot be unpacked`)
  } finally {
    packed.destroy()
  }
  return size === entry.size ? undefined : new ZipFault(`${size > entry.size ? 'more' : 'fewer'} bytes than the directory says in ${JSON.stringify(entry.name.slice(0, 80))}`)
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}
