import type { ChildProcess } from 'node:child_process'
import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { printable } from '../../appliance/core/printable.ts'
import { BUNDLES, FEW_NAMES, FILE_SYSTEMS, FOLDERS, LISTING_BYTES, LOOK_CPU_SECONDS, LOOK_MS, NAME_LENGTH, SAID_LENGTH } from './limits.ts'
import { killGroup } from '../../appliance/core/kill-group.ts'
import { startReader } from './reader-sandbox.ts'

/** File systems that are read, by the reader's words for them. Others are named to people and left alone. */
export const FILE_SYSTEM_KINDS = { fat: 'FAT', exfat: 'exFAT', 'ext*': 'ext4', iso9660: 'ISO 9660', udf: 'UDF' } as const
export type FileSystemKind = (typeof FILE_SYSTEM_KINDS)[keyof typeof FILE_SYSTEM_KINDS]

/** `at` is the reader's name for where it lies: `loop0` for a whole medium, `loop0,msdos1` for a partition. */
export type FileSystem = { at: string; kind: FileSystemKind; label: string | null; serial: string | null }
export type Entry = { name: string; folder: boolean; size: number }

/** What is looked at on a medium. */
const ENDING = '.drydock'
/** `Device loop0: Filesystem type fat - Label `STICK', UUID 8BCE-3883 - Sector size 512B …`; the label is whatever somebody wrote there. */
const SYSTEM_LINE = /^(?:Device|\tPartition) (loop0(?:,[a-z]{1,16}\d{1,3})*): Filesystem type ([^ ,]+)([ ,].*)$/
/** `300000000    20261121025804 NAME`: the size in twelve columns or more, or DIR. */
const ENTRY_LINE = /^(\d{1,18}|DIR) +\d{14} (.+)$/

/** What is on a medium, by itself or in partitions. @throws DD-MEDIA-001, 004 */
export async function fileSystemsOf(medium: string, signal?: AbortSignal): Promise<{ systems: FileSystem[]; others: string[] }> {
  const systems: FileSystem[] = []
  const others: string[] = []
  for (const line of (await listing(medium, ['ls', '--', '-l'], signal)).split('\n')) {
    const [, at, kind, rest] = SYSTEM_LINE.exec(line) ?? []
    if (at === undefined || kind === undefined || rest === undefined) continue
    const known = Object.hasOwn(FILE_SYSTEM_KINDS, kind) ? FILE_SYSTEM_KINDS[kind as keyof typeof FILE_SYSTEM_KINDS] : undefined
    if (known === undefined) others.push(printable(kind).slice(0, 32))
    else if (systems.length < FILE_SYSTEMS) systems.push({ at, kind: known, label: labelIn(rest), serial: /.*, UUID ([0-9A-Za-z-]{1,64}) - /.exec(rest)?.[1] ?? null })
  }
  return { systems, others }
}

function labelIn(rest: string): string | null {
  const label = / - Label `(.*)'(?: -|,)/.exec(rest)?.[1]
  return label === undefined ? null : printable(label).slice(0, 64)
}

/**
 * A folder's bundles and folders, in the order of the medium. Names that no terminal should show are left out. In a folder of very many names
 * only those without spaces are looked at, as `drydock bundle build` makes them: there the reader's short list has to do.
 * @throws DD-MEDIA-001, 004
 */
export async function folderOf(medium: string, at: string, folder: string, signal?: AbortSignal): Promise<Entry[]> {
  const path = pathOn(at, folder)
  const words = (await listing(medium, ['ls', '--', path], signal)).trimEnd().split(' ')
  if (words.length <= FEW_NAMES) return (await listing(medium, ['ls', '--', '-l', path], signal)).split('\n').flatMap(entryIn)
  const wanted = [...words.filter(word => word.endsWith(ENDING)).slice(0, BUNDLES), ...words.filter(word => word.endsWith('/')).slice(0, FOLDERS + 1)].filter(word => isFit(word))
  const entries: Entry[] = []
  for (const word of wanted) {
    const size = word.endsWith('/') ? 0 : await sizeOf(medium, pathOn(at, `${folder === '' ? '' : `${folder}/`}${word}`), signal)
    if (size !== undefined) entries.push({ name: word.replace(/\/$/, ''), folder: word.endsWith('/'), size })
  }
  return entries
}

/** A word may be the end of a name with spaces; then there is nothing by it. The reader tells sizes of single files among its verbose lines. */
async function sizeOf(medium: string, path: string, signal?: AbortSignal): Promise<number | undefined> {
  const child = await startReader({ medium, args: ['-v', '-n', '1', '/medium', 'cat', path], cpuSeconds: LOOK_CPU_SECONDS, stdout: 'pipe', ...(signal === undefined ? {} : { signal }) })
  child.stdout!.resume()
  const { code, said } = await endOf(child)
  const size = /file size : (\d{1,18})\.$/.exec(said)?.[1]
  return code === 0 && size !== undefined ? Number(size) : undefined
}

function entryIn(line: string): Entry[] {
  const [, size, name] = ENTRY_LINE.exec(line) ?? []
  if (size === undefined || name === undefined || !isFit(name)) return []
  const folder = size === 'DIR'
  if (folder !== name.endsWith('/') || (!folder && !name.endsWith(ENDING))) return []
  return [{ name: folder ? name.slice(0, -1) : name, folder, size: folder ? 0 : Number(size) }]
}

function isFit(name: string): boolean {
  return name.length <= NAME_LENGTH && !name.startsWith('.') && name !== '/' && printable(name) === name && !name.includes('\ufffd')
}

export function pathOn(at: string, path: string): string {
  return `(${at})/${path}`
}

async function listing(medium: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const late = AbortSignal.timeout(LOOK_MS)
  const child = await startReader({ medium, args: ['/medium', ...args], cpuSeconds: LOOK_CPU_SECONDS, stdout: 'pipe', signal: signal === undefined ? late : AbortSignal.any([late, signal]) })
  const ended = endOf(child)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of child.stdout! as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > LISTING_BYTES) {
      killGroup(child)
      break
    }
    chunks.push(chunk)
  }
  const { code, said } = await ended
  if (bytes > LISTING_BYTES) throw senseless(`more than ${LISTING_BYTES / 1024 / 1024} MiB of names in one folder`)
  if (late.aborted) throw senseless(`a look that took longer than ${LOOK_MS / 1000} s`)
  if (signal?.aborted === true) throw new DrydockError('DD-CORE-007', 'expected to read the medium, found it cancelled', 'it is read again at the next start')
  if (code !== 0 && said === '') throw senseless(`a reader that ran out of its ${LOOK_CPU_SECONDS} s of processor time or its memory (exit ${code})`)
  if (code !== 0 || said !== '') throw senseless(said)
  return Buffer.concat(chunks).toString('utf8')
}

function senseless(found: string): DrydockError {
  return new DrydockError('DD-MEDIA-004', `expected a medium that can be read, found ${found}`, 'check it on the machine that wrote it, or write it anew: a freshly formatted stick that holds only the bundles')
}

export type Ended = { code: number; said: string }

/** How the reader ended, and the last it said of it: `read error at offset 208857600: attempt to read or write outside of disk`. */
export function endOf(child: ChildProcess): Promise<Ended> {
  let text = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('utf8')).slice(-4096)
  })
  const { promise, resolve, reject } = Promise.withResolvers<Ended>()
  promise.catch(() => undefined)
  child.on('close', (code, signal) => resolve({ code: code ?? (signal === null ? 1 : 128), said: said(text) }))
  child.on('error', failure => reject(asDrydockError(failure)))
  return promise
}

function said(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? ''
  return printable(line.replace(/^(\/reader|grub-fstest|reader): */, '').replace(/^error: */, '')).slice(0, SAID_LENGTH)
}
