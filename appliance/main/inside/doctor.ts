import { access, constants, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { asDrydockError } from '../../core/error.ts'
import { DEFINITIONS } from '../../../bundles/format/definitions.ts'
import { clamavIsInstalled, newestDefinitions } from '../../../importer/scan/index.ts'
import { peekItems } from '../../../mirror/store/peek.ts'
import { dataPaths, readFormat, readPlainFile } from '../../state/data-folder.ts'
import { unseal } from '../../state/envelope.ts'
import type { Address, Config } from './config.ts'
import { BUILD } from './build.ts'
import { secretKeyFile } from './marks.ts'

/** `unknown` is an honest answer: it was not possible to look. */
export type Finding = { check: string; state: 'good' | 'bad' | 'unknown'; found: string; hint: string }

const GIB = 1024 ** 3
/** Below this an import or a bake is likely to stop. Bytes. */
const LOW_SPACE = 10 * GIB

/** Programs that the appliance runs, and the Debian package that brings each. */
const PROGRAMS = {
  'apt-get': 'apt', 'apt-ftparchive': 'apt-utils', bwrap: 'bubblewrap', depmod: 'kmod', 'dpkg-deb': 'dpkg', 'grub-fstest': 'grub-common', mcopy: 'mtools', 'mkfs.vfat': 'dosfstools', mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap', prlimit: 'util-linux', 'qemu-system-x86_64': 'qemu-system-x86', socat: 'socat', tar2sqfs: 'squashfs-tools-ng', veritysetup: 'cryptsetup-bin', xorriso: 'xorriso', zstd: 'zstd',
} as const

/** Looks, changes nothing, and does not need the appliance to run. What an appliance that runs holds (ports, lock) is not bad then. */
export async function examine(config: Config): Promise<Finding[]> {
  const paths = dataPaths(config.dataDir)
  const format = await readFormat(paths).then(value => ({ value }), (failure: unknown) => ({ failure: asDrydockError(failure) }))
  const findings: Finding[] = [
    'value' in format ? good('data folder', `${paths.root}, appliance ${format.value.applianceId}`) : bad('data folder', format.failure.message, format.failure.hint),
  ]
  if ('value' in format) {
    const text = await readPlainFile(paths.desired).catch(() => undefined)
    const envelope = text === undefined ? undefined : unseal(text)
    findings.push(envelope === undefined ? bad('desired state', 'desired.json is missing or damaged', 'drydock up goes on with the previous copy when that is whole; else restore state/ from a backup') : good('desired state', `serial ${envelope.serial}`))
    const key = secretKeyFile(config.marksDir, format.value.applianceId)
    findings.push(await secretKey(key), await newerThanBuild())
  }
  findings.push(await space(paths.root), ...(await Promise.all(Object.entries(PROGRAMS).map(async ([program, name]) => await installed(program, name)))))
  findings.push(virusScanner(config))
  findings.push(await port(config.listen, 'console, API and mirrors'), await port(config.agentListen, 'agents'), await kvm())
  return findings
}

async function secretKey(path: string): Promise<Finding> {
  try {
    const { mode } = await stat(path)
    return (mode & 0o077) === 0 ? good('key of secrets/', `${path}, readable by its owner only; a key file is weaker than a TPM`) : bad('key of secrets/', `${path} is readable by others`, `chmod 600 ${path}`)
  } catch {
    return bad('key of secrets/', `there is none at ${path}`, 'restore marksDir; without it no secret and no private key opens')
  }
}

async function newerThanBuild(): Promise<Finding> {
  const now = new Date()
  return now >= BUILD.date ? good('clock', now.toISOString()) : bad('clock', `${now.toISOString()} is before this build`, 'set the clock')
}

async function space(folder: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(folder)
    const free = bavail * bsize
    const text = `${(free / GIB).toFixed(1)} GiB free`
    return free >= LOW_SPACE ? good('space', text) : bad('space', text, `have at least ${LOW_SPACE / GIB} GiB for imports and images`)
  } catch {
    return { check: 'space', state: 'unknown', found: `${folder} cannot be asked`, hint: '' }
  }
}

async function installed(program: string, debianPackage: string): Promise<Finding> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const path = join(folder, program)
    if (await access(path, constants.X_OK).then(() => true, () => false)) return good(program, path)
  }
  return bad(program, 'not installed', `apt-get install ${debianPackage}`)
}

function virusScanner({ dataDir, scan }: Config): Finding {
  const check = 'virus scanner'
  const unknown = (found: string): Finding => ({ check, state: 'unknown', found, hint: '' })
  if (scan.clamav === 'off') return unknown('ClamAV is switched off in drydock.yaml')
  if (!clamavIsInstalled()) return unknown('ClamAV is not installed (apt-get install clamav): imports are not scanned for viruses')
  try {
    const definitions = newestDefinitions(peekItems(dataDir, DEFINITIONS.kind, DEFINITIONS.name), new Date())
    if (definitions === null) return unknown('ClamAV is installed, but no definitions came in a bundle yet: imports are not scanned for viruses')
    const text = `ClamAV with definitions ${definitions.version}, ${definitions.ageDays} days old`
    return definitions.ageDays <= scan.clamavMaxAgeDays ? good(check, text) : bad(check, text, `bring definitions of at most ${scan.clamavMaxAgeDays} days: clamav in the collection file`)
  } catch {
    return unknown('the catalogue cannot be read, so the age of the definitions is not known')
  }
}

async function port({ host, port: number }: Address, what: string): Promise<Finding> {
  const { promise, resolve } = Promise.withResolvers<Finding>()
  const check = `port ${number}`
  const server = createServer()
  server.once('error', () => resolve({ check, state: 'unknown', found: `${host}:${number} is taken; right when the appliance runs (${what})`, hint: `ss -ltnp 'sport = :${number}'` }))
  server.listen({ host, port: number }, () => server.close(() => resolve(good(check, `free for ${what}`))))
  return await promise
}

async function kvm(): Promise<Finding> {
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(() => true, () => false)
  return usable
    ? { check: 'KVM', state: 'unknown', found: '/dev/kvm is there; whether it works is tried with a guest at start', hint: 'drydock hypervisor list says what the probe found' }
    : { check: 'KVM', state: 'unknown', found: 'no usable /dev/kvm; guests are emulated, several times slower', hint: 'switch on virtualisation, and let this user use /dev/kvm' }
}

function good(check: string, found: string): Finding {
  return { check, state: 'good', found, hint: '' }
}

function bad(check: string, found: string, hint: string): Finding {
  return { check, state: 'bad', found, hint }
}
