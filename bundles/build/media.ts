import { DrydockError } from '../../appliance/core/error.ts'

/** What a file system on a disc takes for itself: ISO 9660 and UDF descriptors, folders, and the alignment of one file. Generous. */
const DISC_FILE_SYSTEM_BYTES = 4 * 1024 * 1024
const DISC_SECTOR_BYTES = 2048

/** The largest volume, in bytes, that fits as one file on each medium. */
export const MEDIA_BYTES = {
  /** DIR_FileSize has 32 bits (Microsoft FAT32 File System Specification 1.03, directory structure): 4 GiB - 1. */
  fat32: 2 ** 32 - 1,
  /** DVD+R, one layer: 2,295,104 sectors (ECMA-349); DVD-R has 2,298,496 (ECMA-359), so what fits here fits there. */
  dvd: 2_295_104 * DISC_SECTOR_BYTES - DISC_FILE_SYSTEM_BYTES,
  /** BD-R, one layer: 12,219,392 sectors, of which 11,826,176 are left when the drive formats it with spare areas (dvd+rw-tools). */
  bd25: 11_826_176 * DISC_SECTOR_BYTES - DISC_FILE_SYSTEM_BYTES,
} as const

/** `fat32`, `dvd`, `bd25` or a number of bytes. @throws DD-BUNDLE-018 */
export function volumeBytes(text: string): number {
  if (text === 'fat32' || text === 'dvd' || text === 'bd25') return MEDIA_BYTES[text]
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new DrydockError('DD-BUNDLE-018', `expected fat32, dvd, bd25 or a number of bytes as the size of a volume, found ${JSON.stringify(text.slice(0, 40))}`, 'for example: --volume dvd, or --volume 8000000000')
}
