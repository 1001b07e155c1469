import { spawn } from 'node:child_process'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DrydockError } from '../../core/error.ts'
import { programEnvironment } from '../../core/run-program.ts'
import { pause, unlessGivenUp } from '../give-up.ts'
import { START_MILLISECONDS, WRITTEN_FILE_BYTES } from './limits.ts'
import { qmpCommand } from './qmp.ts'

/** Limits first, then QEMU in the same process. SIGXFSZ is ignored, so that a full console log loses lines, not the VM. `ulimit -f` counts 512 bytes. */
const LAUNCH = `ulimit -c 0; ulimit -f ${WRITTEN_FILE_BYTES / 512}; trap '' XFSZ; exec "$0" "$@"`

/**
 * Starts QEMU in a session of its own, so that it outlives the appliance, and waits until its monitor answers.
 * @throws DD-HV-004 with QEMU's last words, DD-CORE-008 when it is not installed.
 */
export async function startQemu(folder: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  unlessGivenUp(signal, 'start the VM')
  const log = join(folder, 'qemu.log')
  for (const stale of ['qemu.pid', 'qmp.sock', 'qemu.log']) await rm(join(folder, stale), { force: true })
  const output = await open(log, 'a', 0o600)
  let ended: string | null = null
  try {
    const child = spawn('/bin/sh', ['-c', LAUNCH, 'qemu-system-x86_64', ...args], { cwd: folder, detached: true, stdio: ['ignore', output.fd, output.fd], env: programEnvironment() })
    child.on('exit', (code, killedBy) => (ended = killedBy ?? `exit ${code}`))
    child.on('error', failure => (ended = failure.message))
    child.unref()
  } finally {
    await output.close()
  }
  const deadline = performance.now() + START_MILLISECONDS
  for (let wait = 5; ; wait = Math.min(wait * 2, 200)) {
    if (await qmpCommand(folder, 'query-status', 2_000)) return
    if (ended === 'exit 0') return // it ran and powered itself off
    if (ended === 'exit 127') throw new DrydockError('DD-CORE-008', 'expected the program qemu-system-x86_64, found none', 'install it: apt-get install qemu-system-x86')
    if (ended !== null) throw notStarted(ended, await lastWords(log))
    if (performance.now() > deadline) throw notStarted(`no answer of its monitor in ${START_MILLISECONDS / 1000} s`, await lastWords(log))
    await pause(wait, signal, 'start the VM')
  }
}

function notStarted(found: string, words: string): DrydockError {
  return new DrydockError('DD-HV-004', `expected QEMU to start, found ${found}`, words === '' ? 'it printed nothing; look at memory and disk space' : `it said: ${words}`)
}

async function lastWords(log: string): Promise<string> {
  return (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-6).join('\n').slice(-2000)
}
