import { readFile, stat, unlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import Type from 'typebox'
import type { Clock } from '../../appliance/core/clock.ts'
import { writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { checkShape } from '../format/check.ts'

const HOLDER_FILE = 'collect.json'
const Holder = Type.Object({ pid: Type.Integer(), user: Type.String(), since: Type.String() })

/**
 * Makes this process the only one that collects in a workspace: it listens at an abstract address that is named for the folder, which
 * the kernel gives back when the process ends, however it ends. The file beside only says who it is.
 * @returns what lets go again.
 * @throws DD-COLLECT-016 naming who works there.
 */
export async function holdWorkspace(folder: string, clock: Clock): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(folder)
  const server = createServer(socket => socket.destroy())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(`\0drydock-collect-${dev}-${ino}`, resolve)
  const file = join(folder, HOLDER_FILE)
  try {
    await promise
  } catch (failure) {
    if (!isErrno(failure, 'EADDRINUSE')) throw failure
    throw new DrydockError('DD-COLLECT-016', `expected nobody else to collect in ${folder}, found ${await holderOf(file)} at it`, 'wait until it is done, or use another workspace', { cause: failure })
  }
  await writeDurably(file, JSON.stringify({ pid: process.pid, user: userName(), since: clock.now().toISOString() }), { mode: 0o644 })
  return async () => {
    await unlink(file).catch(() => undefined)
    const closed = Promise.withResolvers<void>()
    server.close(() => closed.resolve())
    await closed.promise
  }
}

/** A user that no passwd knows (a container) has only its number. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? '?'}`
  }
}

async function holderOf(file: string): Promise<string> {
  try {
    const { pid, user, since } = checkShape(Holder, JSON.parse(await readFile(file, 'utf8')), file)
    return `process ${pid} (${user}, since ${since.slice(0, 16).replace('T', ' ')} UTC)`
  } catch {
    return 'another process'
  }
}
