import { open, type FileHandle } from 'node:fs/promises'
import { inflateRawSync } from 'node:zlib'
import { DrydockError } from '../../../appliance/core/error.ts'
import { WHEEL_METADATA_BYTES } from '../limits.ts'

/** The most of a zip's end that can hold its end record: 22 bytes and a comment of 64 KiB. */
const END_BYTES = 22 + 0xffff
const END_RECORD = 0x06054b50
const CENTRAL_ENTRY = 0x02014b50
/** Bytes of the central directory: Debian-sized wheels have some 10,000 entries of about 100 bytes. */
const DIRECTORY_BYTES = 64 * 1024 * 1024

/**
 * `NAME-VERSION.dist-info/METADATA` out of a wheel (PEP 427, PEP 658), read through the zip's central directory.
 * @throws DD-COLLECT-004 when the wheel is not a zip or has not exactly one METADATA at its top.
 */
export async function wheelMetadata(path: string, what: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const tail = await bytesAt(handle, Math.max(0, size - END_BYTES), Math.min(size, END_BYTES))
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
    if (end === -1 || tail.length - end < 22 || tail.readUInt32LE(end) !== END_RECORD) throw broken(what, 'no zip directory')
    const length = tail.readUInt32LE(end + 12)
    const start = tail.readUInt32LE(end + 16)
    if (length > DIRECTORY_BYTES || start + length > size) throw broken(what, 'a zip directory outside the file')
    const entries = metadataEntries(await bytesAt(handle, start, length))
    const entry = entries[0]
    if (entry === undefined || entries.length > 1) throw broken(what, `${entries.length} METADATA files`)
    if (entry.size > WHEEL_METADATA_BYTES || entry.packed > WHEEL_METADATA_BYTES) throw new DrydockError('DD-CORE-010', `expected METADATA of ${what} to be at most ${WHEEL_METADATA_BYTES} bytes, found ${entry.size}`, 'leave this package out')
    const local = await bytesAt(handle, entry.offset, 30)
    const data = await bytesAt(handle, entry.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28), entry.packed)
    if (entry.method === 0) return data
    if (entry.method !== 8) throw broken(what, `METADATA packed by method ${entry.method}`)
    return inflateRawSync(data, { maxOutputLength: WHEEL_METADATA_BYTES })
  } finally {
    await handle.close()
  }
}

type Entry = { method: number; packed: number; size: number; offset: number }

function metadataEntries(directory: Buffer): Entry[] {
  const found: Entry[] = []
  for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === CENTRAL_ENTRY; ) {
    const nameLength = directory.readUInt16LE(at + 28)
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength)
    if (/^[^/]+\.dist-info\/METADATA$/.test(name)) {
      found.push({ method: directory.readUInt16LE(at + 10), packed: directory.readUInt32LE(at + 20), size: directory.readUInt32LE(at + 24), offset: directory.readUInt32LE(at + 42) })
    }
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
  }
  return found
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

function broken(what: string, found: string): DrydockError {
  return new DrydockError('DD-COLLECT-004', `expected ${what} to be a wheel with one METADATA, found ${found}`, 'report it to the project that publishes it, and leave it out')
}
