import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printable } from '../../appliance/core/printable.ts'
import { runProgram } from '../../appliance/core/run-program.ts'
import type { Finding } from '../../bundles/format/import-record.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import { faultOf, loaded, type Loaded } from './definitions.ts'
import { CLAMAV_LIMITS } from './limits.ts'
import { linesOf } from './output.ts'
import { failed, runSandboxed } from './sandbox.ts'
import type { View } from './view.ts'

export const CLAMSCAN = '/usr/bin/clamscan'

/** Every match in a file, not only the first: behind one that people call a false alarm may stand one that is none. */
const ALL = '--allmatch=yes'
/** What cannot be looked into is told, never passed over. */
const ALERTS = ['--alert-exceeds-max=yes', '--alert-encrypted-archive=yes', '--alert-encrypted-doc=yes'] as const
const OPTIONS = ['--database=/definitions', '--no-summary', '--stdout', '--tempdir=/tmp', ALL, ...ALERTS, ...Object.entries(CLAMAV_LIMITS).map(([name, value]) => `--${name}=${value}`)]
/** clamscan's answers: nothing found, found. 2 is a fault of its own. */
const ANSWERS = [0, 1]

export function clamavIsInstalled(program: string = CLAMSCAN): boolean {
  return existsSync(program)
}

/** `ClamAV 1.4.6`; what it adds about the definitions of the machine is not ours. */
export async function clamavVersion(program: string = CLAMSCAN): Promise<string> {
  const { stdout } = await runProgram(program, { args: ['--version'], timeout: 30_000, package: 'clamav' })
  return printable(stdout.toString('utf8').trim().split('/')[0] ?? '').replace(/^ClamAV /, '')
}

/** One run over all files: loading real definitions takes a quarter of a minute. @throws DD-IMPORT-023 */
export async function runClamav(view: View, definitions: Loaded, blobs: Pick<BlobStore, 'blobPath'>, work: { signal: AbortSignal; looked: (files: number) => void }): Promise<{ code: number; stdout: string }> {
  let lines = 0
  const answer = await runSandboxed({
    name: 'clamav', purpose: view.purpose, command: [CLAMSCAN, ...OPTIONS, '--file-list=/scan/list'], folder: view.folder, files: [...databases(definitions, blobs), NESTED], accept: ANSWERS, signal: work.signal,
    onOutput: chunk => work.looked((lines += chunk.filter(byte => byte === LINE_END).length)),
  })
  const told = new Set(Iterator.from(linesOf(answer.stdout)).map(line => line.slice(0, line.indexOf(': '))))
  const silent = view.paths.filter(path => !told.has(path))
  if (silent.length > 0) throw failed('clamav', `no word about ${silent.length} of ${view.paths.length} files (${silent[0]})`, 'it must say of each file what it found', view.purpose)
  return answer
}

const LINE_END = 0x0a

/**
 * Two signatures of our own, for how debs and zstd begin: clamscan opens neither, but meets them at any depth of what it does open, and says so then. What it
 * would have passed over is told this way (`output.ts`).
 */
const NESTED = [join(import.meta.dirname, 'nested.ndb'), '/definitions/drydock-nested.ndb'] as const

function databases(definitions: Loaded, blobs: Pick<BlobStore, 'blobPath'>): [string, string][] {
  return definitions.files.map(({ name, digest }) => [blobs.blobPath(digest), `/definitions/${name}`])
}

/**
 * Definitions that do not load would stop every later import, also the one that mends them: so they are tried before they come in.
 * @param folder a scan folder of its own, made and removed here
 */
export async function tryDefinitions(item: Item, blobs: Pick<BlobStore, 'blobPath'>, options: { folder: string; now: Date; installed: boolean; signal: AbortSignal }): Promise<Finding | undefined> {
  const broken = (text: string): Finding => ({ severity: 'blocker', code: 'definitions-broken', item: itemKey(item), text: `virus definitions ${item.version}: ${text}`, claimed: false })
  const fault = faultOf(item, options.now)
  if (fault !== undefined) return broken(fault)
  if (!options.installed) return undefined
  await rm(options.folder, { recursive: true, force: true })
  await mkdir(join(options.folder, 'view/files'), { recursive: true, mode: 0o700 })
  try {
    await writeFile(join(options.folder, 'view/files/nothing'), 'nothing\n')
    const command = [CLAMSCAN, ...OPTIONS, '/scan/files/nothing']
    const { code } = await runSandboxed({ name: 'clamav', purpose: 'import', command, folder: options.folder, files: databases(loaded(item, options.now), blobs), accept: [...ANSWERS, 2], signal: options.signal })
    if (code === 0) return undefined
    return broken(code === 1 ? 'they call a harmless file a virus' : 'clamscan cannot load them')
  } finally {
    await rm(options.folder, { recursive: true, force: true })
  }
}
