/**
 * A disk with a write cache that a power cut loses. It serves an image as one file, for a loop device; what was written since the last
 * flush is kept apart, and a snapshot holds all of it (the power went a moment later), none of it, or any part of it, block by block.
 *
 *     node disk-server.ts MOUNT IMAGE        and over IPC { path, keep: 'all' | 'none' | 'some', seed } → { path, unflushed }
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { seeded } from '../appliance/plan/prng.ts'
import { serveFile } from './fuse-file.ts'

export type Snapshot = { path: string; keep: 'all' | 'none' | 'some'; seed: number }

/** What a disk writes at once, or not at all. */
const BLOCK = 4096
const CHUNK = 64 * 1024
const ZEROS = Buffer.alloc(CHUNK)

const [mount = '', image = ''] = process.argv.slice(2)
const durable = readFileSync(image)
const current = Buffer.from(durable)
let unflushed = new Set<number>()

process.on('message', ({ path, keep, seed }: Snapshot) => {
  const random = seeded(seed)
  const kept = [...unflushed].filter(() => keep === 'all' || (keep === 'some' && random() < 0.5))
  const bytes = Buffer.from(durable)
  for (const block of kept) current.copy(bytes, block * BLOCK, block * BLOCK, (block + 1) * BLOCK)
  const file = openSync(path, 'w')
  ftruncateSync(file, bytes.length)
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const chunk = bytes.subarray(at, at + CHUNK)
    if (!chunk.equals(ZEROS.subarray(0, chunk.length))) writeSync(file, chunk, 0, chunk.length, at)
  }
  closeSync(file)
  process.send?.({ path, unflushed: unflushed.size })
})
process.on('disconnect', () => process.exit(0))

setTimeout(() => process.send?.({ path: 'ready', unflushed: 0 }), 50)
await serveFile(mount, {
  name: 'disk',
  size: () => current.length,
  read: (offset, length) => current.subarray(offset, offset + length),
  write(offset, bytes) {
    bytes.copy(current, offset)
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + bytes.length; block++) unflushed.add(block)
  },
  sync() {
    for (const block of unflushed) current.copy(durable, block * BLOCK, block * BLOCK, (block + 1) * BLOCK)
    unflushed = new Set()
  },
})
process.disconnect?.()
