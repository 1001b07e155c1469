import { execFileSync } from 'node:child_process'
import { closeSync, openSync, read, writeSync } from 'node:fs'
import { promisify } from 'node:util'

/** Of linux/fuse.h; only what one plain file in one folder needs. Everything else is answered ENOSYS, and the kernel does without. */
const OPCODE = { lookup: 1, forget: 2, getattr: 3, setattr: 4, open: 14, read: 15, write: 16, statfs: 17, release: 18, fsync: 20, flush: 25, init: 26, opendir: 27, readdir: 28, releasedir: 29, access: 34, interrupt: 36, destroy: 38, batchForget: 42 } as const
const IN_HEADER = 40
const OUT_HEADER = 16
const MOST = 128 * 1024
const ROOT = 1n
const FILE = 2n
const ENOENT = -2
export const EIO = -5
const ENOSYS = -38
const DIRECT_IO = 1

export type FuseFile = {
  name: string
  size(): number
  /** The bytes there, fewer at the end, an error of the kernel's (negative), or undefined to say nothing, ever. */
  read(offset: number, length: number): Buffer | number | undefined
  /** @returns an error of the kernel's (negative), when it fails */
  write?(offset: number, bytes: Buffer): number | void
  sync?(): void
  /** Every read comes here, however often; otherwise the kernel remembers what it has read. */
  uncached?: boolean
}

/**
 * A file whose every byte is answered by us, as often as it is asked for: the medium that answers differently the second time, and the
 * disk that has not written yet what it was told. It speaks the kernel's FUSE protocol itself, over /dev/fuse; needs root and no package.
 * Serves until it is unmounted. Whoever reads it must be another process, or a plain stat would wait for itself.
 */
export async function serveFile(mountPoint: string, file: FuseFile): Promise<void> {
  const device = openSync('/dev/fuse', 'r+')
  execFileSync('mount', ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other', 'drydock-test', mountPoint], { stdio: ['ignore', 'inherit', 'inherit', device] })
  const buffer = Buffer.alloc(MOST + 4096)
  const readRequest = promisify(read)
  try {
    for (;;) {
      const { bytesRead } = await readRequest(device, buffer, 0, buffer.length, null)
      if (!answer(device, file, buffer.subarray(0, bytesRead))) return
    }
  } catch (failure) {
    // ENODEV: it was unmounted.
    if ((failure as NodeJS.ErrnoException).code !== 'ENODEV') throw failure
  } finally {
    closeSync(device)
  }
}

/** @returns whether there will be more */
function answer(device: number, file: FuseFile, request: Buffer): boolean {
  const opcode = request.readUInt32LE(4)
  const unique = request.readBigUInt64LE(8)
  const node = request.readBigUInt64LE(16)
  const body = request.subarray(IN_HEADER)
  const reply = (content: Buffer | number = Buffer.alloc(0)): true => {
    const bytes = typeof content === 'number' ? Buffer.alloc(0) : content
    const header = Buffer.alloc(OUT_HEADER)
    header.writeUInt32LE(OUT_HEADER + bytes.length, 0)
    header.writeInt32LE(typeof content === 'number' ? content : 0, 4)
    header.writeBigUInt64LE(unique, 8)
    writeSync(device, Buffer.concat([header, bytes]))
    return true
  }
  switch (opcode) {
    case OPCODE.init:
      return reply(initReply(body))
    case OPCODE.lookup:
      return reply(node === ROOT && body.toString('latin1', 0, body.indexOf(0)) === file.name ? Buffer.concat([words(FILE, 1n, 0n, 0n, 0n), attributes(FILE, file)]) : ENOENT)
    case OPCODE.getattr:
    case OPCODE.setattr:
      return reply(Buffer.concat([words(0n, 0n), attributes(node, file)]))
    case OPCODE.open:
    case OPCODE.opendir:
      return reply(words(0n, file.uncached === true && opcode === OPCODE.open ? BigInt(DIRECT_IO) : 0n))
    case OPCODE.read: {
      const given = file.read(Number(body.readBigUInt64LE(8)), body.readUInt32LE(16))
      return given === undefined ? true : reply(given)
    }
    case OPCODE.write: {
      const length = body.readUInt32LE(16)
      const failed = file.write?.(Number(body.readBigUInt64LE(8)), Buffer.from(body.subarray(40, 40 + length)))
      return reply(failed ?? words(BigInt(length)))
    }
    case OPCODE.fsync:
      file.sync?.()
      return reply()
    case OPCODE.statfs:
      return reply(Buffer.alloc(80))
    case OPCODE.readdir:
    case OPCODE.release:
    case OPCODE.releasedir:
    case OPCODE.flush:
    case OPCODE.access:
      return reply()
    case OPCODE.forget:
    case OPCODE.batchForget:
    case OPCODE.interrupt:
      return true
    case OPCODE.destroy:
      reply()
      return false
    default:
      return reply(ENOSYS)
  }
}

/** Version 7.31: major, minor, read-ahead, flags (asynchronous reads, big writes), queue lengths, most bytes of a write. */
function initReply(body: Buffer): Buffer {
  const out = Buffer.alloc(64)
  out.writeUInt32LE(7, 0)
  out.writeUInt32LE(31, 4)
  out.writeUInt32LE(body.readUInt32LE(8), 8)
  out.writeUInt32LE((1 << 0) | (1 << 5), 12)
  out.writeUInt16LE(16, 16)
  out.writeUInt16LE(12, 18)
  out.writeUInt32LE(MOST, 20)
  out.writeUInt32LE(1, 24)
  return out
}

function attributes(node: bigint, file: FuseFile): Buffer {
  const out = Buffer.alloc(88)
  const size = node === FILE ? file.size() : 0
  out.writeBigUInt64LE(node, 0)
  out.writeBigUInt64LE(BigInt(size), 8)
  out.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 16)
  out.writeUInt32LE(node === FILE ? 0o100644 : 0o40755, 60)
  out.writeUInt32LE(1, 64)
  out.writeUInt32LE(4096, 80)
  return out
}

function words(...values: bigint[]): Buffer {
  const out = Buffer.alloc(values.length * 8)
  for (const [k, value] of values.entries()) out.writeBigUInt64LE(value, k * 8)
  return out
}
