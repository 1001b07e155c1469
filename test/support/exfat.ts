import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'

/**
 * Writes files into the root of a fresh exFAT file system, as `mkfs.exfat` leaves one: no tool of Debian copies into exFAT without mounting it.
 * `fsck.exfat` and Debian's kernel have the last word on what it writes (Microsoft's "exFAT file system specification").
 * @param files name → path of its content; all names must fit into one cluster
 */
export function copyIntoExfat(image: string, files: Record<string, string>): void {
  const file = openSync(image, 'r+')
  try {
    const boot = at(file, 0, 512)
    const sector = 1 << boot.readUInt8(108)
    const cluster = sector << boot.readUInt8(109)
    const heap = boot.readUInt32LE(88) * sector
    const place = (number: number): number => heap + (number - 2) * cluster
    const rootAt = place(boot.readUInt32LE(96))
    const root = at(file, rootAt, cluster)
    const bitmapEntry = entries(root).find(entry => entry[0] === 0x81)!
    const bitmapAt = place(bitmapEntry.readUInt32LE(20))
    const bitmap = at(file, bitmapAt, Number(bitmapEntry.readBigUInt64LE(24)))
    let next = 2 + lastUsed(bitmap) + 1
    let end = entries(root).findIndex(entry => entry[0] === 0) * 32
    for (const [name, path] of Object.entries(files)) {
      const { size } = statSync(path)
      const clusters = Math.ceil(size / cluster)
      const set = entrySet(name, size, clusters === 0 ? 0 : next)
      set.copy(root, end)
      end += set.length
      copyTo(file, path, place(next))
      for (let k = next - 2; k < next - 2 + clusters; k++) bitmap[k >> 3]! |= 1 << (k & 7)
      next += clusters
    }
    writeSync(file, bitmap, 0, bitmap.length, bitmapAt)
    writeSync(file, root, 0, root.length, rootAt)
  } finally {
    closeSync(file)
  }
}

function entrySet(name: string, size: number, first: number): Buffer {
  const names = Math.ceil(name.length / 15)
  const set = Buffer.alloc((2 + names) * 32)
  set.writeUInt8(0x85, 0)
  set.writeUInt8(1 + names, 1)
  set.writeUInt16LE(0x20, 4)
  // 2026-01-01 00:00:00, three times, in UTC.
  for (const offset of [8, 12, 16]) set.writeUInt32LE(((2026 - 1980) << 25) | (1 << 21) | (1 << 16), offset)
  for (const offset of [22, 23, 24]) set.writeUInt8(0x80, offset)
  set.writeUInt8(0xc0, 32)
  set.writeUInt8(first === 0 ? 1 : 3, 33)
  set.writeUInt8(name.length, 35)
  set.writeUInt16LE(nameHash(name), 36)
  set.writeBigUInt64LE(BigInt(size), 40)
  set.writeUInt32LE(first, 52)
  set.writeBigUInt64LE(BigInt(size), 56)
  for (let k = 0; k < names; k++) {
    set.writeUInt8(0xc1, 64 + k * 32)
    set.write(name.slice(k * 15, k * 15 + 15), 66 + k * 32, 'utf16le')
  }
  set.writeUInt16LE(checksum(set), 2)
  return set
}

function nameHash(name: string): number {
  const upper = Array.from(name, character => (character.toUpperCase().length === 1 ? character.toUpperCase() : character)).join('')
  return Buffer.from(upper, 'utf16le').reduce((hash, byte) => (((hash << 15) | (hash >>> 1)) + byte) & 0xffff, 0)
}

function checksum(set: Buffer): number {
  return set.reduce((sum, byte, k) => (k === 2 || k === 3 ? sum : (((sum << 15) | (sum >>> 1)) + byte) & 0xffff), 0)
}

function entries(folder: Buffer): Buffer[] {
  return Array.from({ length: folder.length / 32 }, (_, k) => folder.subarray(k * 32, k * 32 + 32))
}

function lastUsed(bitmap: Buffer): number {
  let last = 0
  for (let k = 0; k < bitmap.length * 8; k++) if ((bitmap[k >> 3]! >> (k & 7)) & 1) last = k
  return last
}

function copyTo(file: number, path: string, position: number): void {
  const content = readFileSync(path)
  for (let done = 0; done < content.length; ) done += writeSync(file, content, done, Math.min(content.length - done, 1 << 24), position + done)
}

function at(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  readSync(file, bytes, 0, length, position)
  return bytes
}
