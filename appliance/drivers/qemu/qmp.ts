import { open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { QMP_LINE_BYTES } from './limits.ts'

/**
 * Speaks to a VM's monitor (QEMU Machine Protocol) just long enough for one command.
 * The socket is reached through an open folder, so that its path is short however long the folder's is.
 * @returns whether the monitor took it. A monitor that does not answer in time, or at all, is `false`.
 */
export async function qmpCommand(folder: string, command: 'quit' | 'query-status', milliseconds: number): Promise<boolean> {
  const handle = await open(folder).catch(() => null)
  if (handle === null) return false
  const socket = connect(`/proc/self/fd/${handle.fd}/qmp.sock`)
  const timer = setTimeout(() => socket.destroy(), milliseconds)
  try {
    return await converse(socket, command)
  } catch {
    return false // nobody listens there, or it hung up
  } finally {
    clearTimeout(timer)
    socket.destroy()
    await handle.close()
  }
}

/** Greeting → qmp_capabilities → return → command → return. */
async function converse(socket: Socket, command: string): Promise<boolean> {
  const lines = createInterface({ input: socket })
  let bytes = 0
  let returns = 0
  socket.on('error', () => lines.close())
  socket.on('close', () => lines.close())
  for await (const line of lines) {
    bytes += line.length
    if (bytes > QMP_LINE_BYTES) return false
    if (line.startsWith('{"QMP"')) socket.write('{"execute":"qmp_capabilities"}\n')
    else if (line.startsWith('{"return"') && ++returns === 1) socket.write(`{"execute":"${command}"}\n`)
    else if (line.startsWith('{"return"')) return true
    else if (line.startsWith('{"error"')) return false
  }
  return false
}
