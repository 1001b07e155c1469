import { open, type FileHandle } from 'node:fs/promises'
import { inflateRawSync } from 'node:zlib'
import { DrydockError } from '../core/error.ts'

/** One file of a zip archive. `mode` are its Unix permission bits, 0 when the maker gave none. Sizes in bytes. */
export type ZipEntry = { name: string; mode: number; size: number; compressedSize: number; method: number; headerOffset: number }

/** The most that one member may unpack to: 2 GiB. */
const MEMBER_BYTES = 2 ** 31
const END_RECORD = 22
const LONGEST_COMMENT = 65_535
const CENTRAL_HEADER = 46
const LOCAL_HEADER = 30

/**
 * The members of a zip file, as wheels are (PKWARE APPNOTE 6.3; no zip64, no encryption: the wheel format needs neither below 4 GiB).
 * Names that could leave the folder they are unpacked to are refused.
 */
export async function openZip(path: string): Promise<{ entries: ZipEntry[]; read(entry: ZipEntry): Promise<Buffer>; close(): Promise<void> }> {
  const file = await open(path)
  try {
    const entries = await readCentralDirectory(file, path)
    return { entries, read: entry => readMember(file, entry, path), close: () => file.close() }
  } catch (failure) {
    await file.close()
    throw failure
  }
}

async function readCentralDirectory(file: FileHandle, path: string): Promise<ZipEntry[]> {
  const { size } = await file.stat()
  const tail = await readAt(file, Math.max(0, size - END_RECORD - LONGEST_COMMENT), Math.min(size, END_RECORD + LONGEST_COMMENT), path)
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0) throw damaged(path, 'no end record')
  const count = tail.readUInt16LE(end + 10)
  const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12), path)
  const entries: ZipEntry[] = []
  for (let at = 0; entries.length < count; ) {
    if (at + CENTRAL_HEADER > directory.length || directory.readUInt32LE(at) !== 0x02014b50) throw damaged(path, 'a broken directory')
    const nameLength = directory.readUInt16LE(at + 28)
    const name = directory.toString('utf8', at + CENTRAL_HEADER, at + CENTRAL_HEADER + nameLength)
    if (name.startsWith('/') || name.includes('\\') || name.includes('\0') || name.split('/').includes('..')) throw damaged(path, `the name ${JSON.stringify(name)}`)
    entries.push({
      name,
      mode: (directory.readUInt32LE(at + 38) >>> 16) & 0o777,
      method: directory.readUInt16LE(at + 10),
      compressedSize: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    })
    at += CENTRAL_HEADER + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
  }
  return entries
}

async function readMember(file: FileHandle, entry: ZipEntry, path: string): Promise<Buffer> {
  if (entry.size > MEMBER_BYTES) throw new DrydockError('DD-CORE-010', `expected at most ${MEMBER_BYTES} bytes in ${entry.name}, found ${entry.size}`, 'leave this wheel out')
  const header = await readAt(file, entry.headerOffset, LOCAL_HEADER, path)
  const start = entry.headerOffset + LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28)
  const packed = await readAt(file, start, entry.compressedSize, path)
  if (entry.method === 0) return packed
  if (entry.method !== 8) throw damaged(path, `compression method ${entry.method}`)
  const bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.size) })
  if (bytes.length !== entry.size) throw damaged(path, `${bytes.length} bytes where ${entry.size} were announced`)
  return bytes
}

async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  if (bytesRead !== length) throw damaged(path, 'its end too early')
  return bytes
}

function damaged(path: string, found: string): DrydockError {
  return new DrydockError('DD-IMAGE-013', `expected a wheel (a zip file) in ${path}, found ${found}`, 'collect the package again; this file cannot be installed')
}
