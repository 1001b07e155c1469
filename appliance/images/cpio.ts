/** One member of an archive in the `newc` format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst). */
export type CpioEntry = { name: string; mode: number; data: Uint8Array }

const FOLDER = 0o040000
const ALIGNMENT = 4
/** The whole archive is padded to this, as GNU cpio does. */
const BLOCK = 512

/** Entries in the order of their names; owner root, one time for all, so that the same files make the same bytes. */
export function writeCpio(entries: readonly CpioEntry[], mtime: number): Buffer {
  const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const parts: Buffer[] = []
  let inode = 0
  for (const entry of [...sorted, { name: 'TRAILER!!!', mode: 0, data: new Uint8Array() }]) {
    const last = entry.mode === 0
    const name = Buffer.from(`${entry.name}\0`)
    const fields = [last ? 0 : ++inode, entry.mode, 0, 0, (entry.mode & 0o170000) === FOLDER ? 2 : 1, last ? 0 : mtime, entry.data.length, 0, 0, 0, 0, name.length, 0]
    parts.push(padded(Buffer.concat([Buffer.from(`070701${fields.map(hex8).join('')}`), name]), ALIGNMENT), padded(Buffer.from(entry.data), ALIGNMENT))
  }
  return padded(Buffer.concat(parts), BLOCK)
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

function padded(bytes: Buffer, to: number): Buffer {
  const rest = bytes.length % to
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(to - rest)])
}
