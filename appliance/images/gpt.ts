import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Bytes. Partitions begin at multiples of ALIGNMENT, as every current tool makes them. */
export const SECTOR = 512
export const ALIGNMENT = 1024 * 1024
const ENTRIES = 128
const ENTRY_BYTES = 128
const TABLE_SECTORS = (ENTRIES * ENTRY_BYTES) / SECTOR
/** Protective MBR, header and table. */
const HEAD_SECTORS = 2 + TABLE_SECTORS

/** Type GUIDs: EFI system partition (UEFI 2.10, table 5.7) and Linux generic data, read-only by what is in it. */
export const PARTITION_TYPES = { boot: 'C12A7328-F81F-11D2-BA4B-00C93EC93B3B', layer: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' } as const

/** `size` in bytes; `seed` is what the partition's own GUID is derived from. The name is at most 36 UTF-16 units. */
export type Partition = { name: string; type: keyof typeof PARTITION_TYPES; size: number; seed: string }
export type PlacedPartition = Partition & { offset: number }

/** Where everything stands: partitions one after the other, then room for the table's copy at the end. */
export function placePartitions(partitions: readonly Partition[]): { placed: PlacedPartition[]; size: number } {
  let next = ALIGNMENT
  const placed = partitions.map(partition => {
    const offset = next
    next = roundUp(offset + partition.size, ALIGNMENT)
    return { ...partition, offset }
  })
  return { placed, size: next + ALIGNMENT }
}

/** The first and the last sectors of the disk (UEFI 2.10, chapter 5). Every id in them comes from the seeds. */
export function writeGpt(disk: { placed: readonly PlacedPartition[]; size: number }): { head: Buffer; tail: Buffer } {
  const sectors = disk.size / SECTOR
  const diskGuid = guidBytes(guidFrom(disk.placed.map(partition => partition.seed).join('\n')))
  const table = Buffer.alloc(ENTRIES * ENTRY_BYTES)
  disk.placed.forEach((partition, index) => {
    const at = index * ENTRY_BYTES
    guidBytes(PARTITION_TYPES[partition.type]).copy(table, at)
    guidBytes(guidFrom(`${index}\n${partition.seed}`)).copy(table, at + 16)
    table.writeBigUInt64LE(BigInt(partition.offset / SECTOR), at + 32)
    table.writeBigUInt64LE(BigInt((roundUp(partition.offset + partition.size, SECTOR) - SECTOR) / SECTOR), at + 40)
    table.write(partition.name.slice(0, 36), at + 56, 'utf16le')
  })
  const header = (own: number, other: number, tableAt: number): Buffer => {
    const bytes = Buffer.alloc(SECTOR)
    bytes.write('EFI PART', 0, 'latin1')
    bytes.writeUInt32LE(0x00010000, 8)
    bytes.writeUInt32LE(92, 12)
    bytes.writeBigUInt64LE(BigInt(own), 24)
    bytes.writeBigUInt64LE(BigInt(other), 32)
    bytes.writeBigUInt64LE(BigInt(HEAD_SECTORS), 40)
    bytes.writeBigUInt64LE(BigInt(sectors - HEAD_SECTORS), 48)
    diskGuid.copy(bytes, 56)
    bytes.writeBigUInt64LE(BigInt(tableAt), 72)
    bytes.writeUInt32LE(ENTRIES, 80)
    bytes.writeUInt32LE(ENTRY_BYTES, 84)
    bytes.writeUInt32LE(crc32(table), 88)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16)
    return bytes
  }
  const backupTable = sectors - 1 - TABLE_SECTORS
  return {
    head: Buffer.concat([protectiveMbr(sectors), header(1, sectors - 1, 2), table]),
    tail: Buffer.concat([table, header(sectors - 1, 1, backupTable)]),
  }
}

/** One partition of type EE over the whole disk, so that old tools see no free space. */
function protectiveMbr(sectors: number): Buffer {
  const bytes = Buffer.alloc(SECTOR)
  bytes.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446)
  bytes.writeUInt32LE(1, 454)
  bytes.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), 458)
  bytes.set([0x55, 0xaa], 510)
  return bytes
}

/** A version 8 UUID (RFC 9562, section 5.8) out of a SHA-256. */
export function guidFrom(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16)
  bytes[6] = 0x80 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = bytes.toString('hex').toUpperCase()
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** As it stands on the disk: the first three groups little-endian (UEFI 2.10, appendix A). */
function guidBytes(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex')
  return Buffer.concat([bytes.subarray(0, 4).reverse(), bytes.subarray(4, 6).reverse(), bytes.subarray(6, 8).reverse(), bytes.subarray(8)])
}

export function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to
}
