import { parseDigest } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import { digestOf } from '../core/digest.ts'
import { runProgram } from '../core/run-program.ts'
import type { BlobSource } from '../model/catalogue.ts'
import type { LockedRole } from '../model/lock.ts'
import { wheelPathsOutside } from './wheel.ts'

/** Who writes a path: its role, and a way to say what the bytes are, asked only when two roles write it. */
type Writer = { role: string; content: () => Promise<string> }

/** Left out by the bake (steps/merge.sh), so two roles may well bring them. */
const LEFT_OUT = /^\/usr\/share\/(?:man|locale|info|bug|lintian|doc)\//

/** The most of one file that is read to compare it: 1 GiB. */
const COMPARED_BYTES = 2 ** 30

/** @throws DD-IMAGE-007 when two roles write one path differently. Folders may be shared. */
export async function checkPaths(roles: readonly LockedRole[], blobs: BlobSource, signal: AbortSignal): Promise<void> {
  const writers = new Map<string, Writer>()
  for (const role of roles) {
    const own = await writtenBy(role, blobs, signal)
    for (const [path, writer] of own) {
      const other = writers.get(path)
      if (other !== undefined && (await other.content()) !== (await writer.content())) {
        throw new DrydockError('DD-IMAGE-007', `expected each path to be written by one role, found ${path} written differently by ${other.role} and ${writer.role}`, `leave out one of the two, or bring a ${writer.role} that puts its file elsewhere`)
      }
      writers.set(path, writer)
    }
  }
}

async function writtenBy(role: LockedRole, blobs: BlobSource, signal: AbortSignal): Promise<Map<string, Writer>> {
  const written = new Map<string, Writer>()
  const name = `${role.role}-${role.version}`
  for (const deb of role.debs) {
    const file = blobs.blobPath(parseDigest(deb.digest))
    for (const entry of await listDeb(file, signal)) {
      if (LEFT_OUT.test(entry.path)) continue
      written.set(entry.path, { role: name, content: async () => (entry.link === undefined ? await contentOf(file, entry.stored, signal) : `link to ${entry.link}`) })
    }
  }
  for (const wheel of role.wheels) {
    for (const path of await wheelPathsOutside(blobs.blobPath(parseDigest(wheel.digest)))) written.set(`/${path}`, { role: name, content: async () => `${name} ${wheel.digest}` })
  }
  for (const file of role.files) written.set(file.to, { role: name, content: async () => file.from.digest })
  return written
}

type DebEntry = { path: string; stored: string; link: string | undefined }

/** Files and links of a package. `-c` prints `mode owner size date time ./path [-> target | link to ./path]`. */
async function listDeb(file: string, signal: AbortSignal): Promise<DebEntry[]> {
  const { stdout } = await runProgram('dpkg-deb', { args: ['-c', file], signal, package: 'dpkg' })
  const entries: DebEntry[] = []
  for (const line of stdout.toString('utf8').split('\n')) {
    const match = /^([-lhbcp])\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+(\.\/.*)$/.exec(line)
    if (match === null) continue
    const [, kind, rest] = match as unknown as [string, string, string]
    const [stored, link] = kind === 'l' ? (rest.split(' -> ', 2) as [string, string]) : [rest.split(' link to ', 1)[0]!, undefined]
    entries.push({ path: stored.slice(1).replace(/^\/(bin|sbin|lib|lib32|lib64|libx32)\//, '/usr/$1/'), stored, link })
  }
  return entries
}

async function contentOf(file: string, stored: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await runProgram('sh', { args: ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -xO --no-wildcards -- "$2"', 'sh', file, stored], signal, maxOutput: COMPARED_BYTES })
  return digestOf(stdout)
}
