/**
 * A disk that fails to write what holds the text it is told to fail for, and writes everything else. It serves an image as one file, for a loop device.
 *
 *     node failing-disk.ts MOUNT IMAGE      over IPC `{ failFor: TEXT | null }`, answered with how many writes have failed
 */
import { readFileSync } from 'node:fs'
import { EIO, serveFile } from './fuse-file.ts'

const [mount = '', image = ''] = process.argv.slice(2)
const disk = readFileSync(image)
let failFor: string | null = null
let failed = 0

process.on('message', (told: { failFor: string | null }) => {
  failFor = told.failFor
  process.send?.(failed)
})
process.on('disconnect', () => process.exit(0))
setTimeout(() => process.send?.(failed), 50)
await serveFile(mount, {
  name: 'disk',
  size: () => disk.length,
  read: (offset, length) => disk.subarray(offset, offset + length),
  write(offset, bytes) {
    if (failFor !== null && bytes.includes(failFor)) {
      failed++
      return EIO
    }
    bytes.copy(disk, offset)
  },
})
