import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ensureFolder, writeDurably } from '../../../appliance/core/durable-file.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { programEnvironment, runProgram } from '../../../appliance/core/run-program.ts'
import { APT_LOCK_SECONDS } from '../limits.ts'

/** `dated`: Valid-Until and Date count whatever this machine's apt.conf says, as they do for a source that the collection names. */
export type TrustedSource = { uri: string; suite: string; components: string[]; keyring: string; dated?: boolean }

/** Where apt keeps what it fetched for one architecture: a state of nothing installed, its own lists, its own sources. */
export type PrivateApt = { folder: string; lists: string; config: string }

/**
 * Folders and configuration for an apt of our own. The machine's configuration still says how to reach out (proxies,
 * credentials, certificates); what it would trust, prefer, install or run as a hook does not count.
 */
export async function preparePrivateApt(folder: string, arch: string, sources: readonly TrustedSource[]): Promise<PrivateApt> {
  const lists = join(folder, 'state/lists')
  for (const path of [join(lists, 'partial'), join(folder, 'cache/archives/partial'), join(folder, 'cache/none/partial'), join(folder, 'etc')]) await ensureFolder(path, 0o755)
  const sourceFile = join(folder, 'etc/drydock.sources')
  await writeDurably(join(folder, 'state/status'), '', { mode: 0o644 })
  await writeDurably(sourceFile, sources.map(source => sourceStanza(source, arch)).join('\n'), { mode: 0o644 })
  const config = join(folder, 'etc/apt.conf')
  await writeDurably(config, configuration(folder, sourceFile, arch), { mode: 0o644 })
  return { folder, lists, config }
}

function sourceStanza({ uri, suite, components, keyring, dated }: TrustedSource, arch: string): string {
  return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components.join(' ')}\nArchitectures: ${arch}\nTargets: Packages\nSigned-By: ${keyring}\n${dated === true ? 'Check-Valid-Until: yes\nCheck-Date: yes\n' : ''}`
}

function configuration(folder: string, sourceFile: string, arch: string): string {
  // -c is read after /etc/apt, so this clears hooks that would run on this machine (docker's image deletes its .debs in one).
  return `#clear APT::Update;
#clear DPkg;
#clear APT::Architectures;
#clear Dir::Etc::Trusted;
Dir::State "${folder}/state";
Dir::State::status "${folder}/state/status";
Dir::Cache "${folder}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::SourceList "${sourceFile}";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Trusted "/dev/null";
Dir::Etc::TrustedParts "/dev/null";
APT::Architecture "${arch}";
APT::Architectures { "${arch}"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::Retries "3";
`
}

/**
 * A failure of the network, as apt words it; all else that it says of an index is about trust or content. A status of HTTP
 * stands between two spaces on either side: `:45503 test InRelease` is the port of an address.
 */
const UNREACHABLE = /Could not (resolve|connect)|Temporary failure|Connection (failed|timed out|refused)|Network is unreachable|Unable to connect| {2}50[0-9] {2}/

/**
 * Fetches InRelease and Packages; apt checks the signature by each source's own keyring and every index by its signed hash.
 * @returns what apt said about sources that it refused or could not reach; its words decide nothing here, the files it left do.
 */
export async function updateLists(apt: PrivateApt, signal: AbortSignal): Promise<string> {
  for (let waited = 0; ; waited++) {
    const { stderr } = await runProgram('apt-get', { args: ['-c', apt.config, '-q', 'update'], env: aptEnvironment(), signal, accept: [0, 100] })
    if (!/Could not get lock/.test(stderr)) return stderr
    // The apt of a collect that was killed lives on for some seconds (it changes users, which undoes a parent-death signal).
    if (waited === APT_LOCK_SECONDS) {
      throw new DrydockError('DD-COLLECT-005', `expected apt's folder ${apt.folder} to be free within ${APT_LOCK_SECONDS} s, found it locked`, 'another collect works in this workspace: wait for it, then run the command again')
    }
    await pause(1000, undefined, { signal })
  }
}

export function sourceFault(suite: string, uri: string, said: string): DrydockError {
  const about = said.split('\n').filter(line => line.includes(uri.replace(/\/$/, '')) || line.includes(suite)).join('\n')
  if (UNREACHABLE.test(about)) {
    return new DrydockError('DD-COLLECT-005', `expected apt source ${uri} ${suite} to answer, found it out of reach`, 'check the network and /etc/apt, then run the command again: what was fetched is kept')
  }
  const expired = /is expired \(invalid since ([^)]+)\)/.exec(about)?.[1]
  if (expired !== undefined) {
    return new DrydockError('DD-COLLECT-003', `expected InRelease of ${uri} ${suite} to be valid still, found that it expired ${expired} ago`, 'the mirror has stopped following Debian, or somebody replays an old state: use another mirror, and look at the clock of this machine')
  }
  if (/is not valid yet/.test(about)) {
    return new DrydockError('DD-COLLECT-003', `expected InRelease of ${uri} ${suite} to be valid already, found its date in the future`, 'set the clock of this machine right, then run the command again')
  }
  if (/Hash Sum mismatch|unexpected size/.test(about)) {
    return new DrydockError('DD-COLLECT-003', `expected the indexes of ${uri} ${suite} as its InRelease signs them, found other bytes`, 'nothing of it was used; run again after the mirror has caught up, and look for a cache on the way that changes bytes')
  }
  const key = /(NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|NODATA)[ 0-9A-F]*/.exec(about)?.[0].trim()
  return new DrydockError(
    'DD-COLLECT-003',
    `expected InRelease of ${uri} ${suite} to be signed by its archive key, found ${key === undefined ? 'no valid signature' : key}`,
    'nothing of it was used; check the source and its keyring, or have the archive signed again',
  )
}

/**
 * What installing these packages on an empty machine would fetch, as `name_version_architecture`.
 * @throws DD-COLLECT-002 when one is unknown or they cannot stand together.
 */
export async function closure(apt: PrivateApt, what: string, packages: readonly string[], signal: AbortSignal): Promise<DebName[]> {
  const { stdout, stderr, code } = await runProgram('apt-get', {
    env: aptEnvironment(),
    args: ['-c', apt.config, '-q', '-y', '--no-install-recommends', '--print-uris', '-o', `Dir::Cache::archives=${join(apt.folder, 'cache/none')}/`, 'install', ...packages],
    signal,
    accept: [0, 100],
  })
  if (code !== 0) {
    const said = `${stderr}\n${stdout.toString('utf8')}`
    const unknown = /Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate/.exec(said)
    if (unknown !== null) {
      throw new DrydockError('DD-COLLECT-002', `expected package ${unknown[1] ?? unknown[2]} (${what}) in the apt sources, found none of that name`, 'check the spelling, and that its suite and component stand in the sources')
    }
    const unmet = /^ (\S+ : .*)$/m.exec(said)?.[1]?.replace(/\s+/g, ' ')
    const last = said.trim().split('\n').findLast(line => line.startsWith('E:'))
    throw new DrydockError('DD-COLLECT-002', `expected ${what} to be installable from the apt sources, found ${unmet ?? last ?? `apt-get exit ${code}`}`, 'take apart what conflicts, or add the suite that has the missing package')
  }
  return stdout.toString('utf8').split('\n').flatMap(line => {
    const file = /^'[^']+' (\S+)\.deb \d+/.exec(line)?.[1]
    const [name, version, architecture] = file?.split('_') ?? []
    return name === undefined || version === undefined || architecture === undefined ? [] : [{ name, version: version.replaceAll('%3a', ':'), architecture }]
  })
}

export type DebName = { name: string; version: string; architecture: string }

/** Downloads into `folder`; apt checks size and hash by the signed index before a file gets its name. */
export async function downloadDebs(apt: PrivateApt, debs: readonly DebName[], folder: string, signal: AbortSignal): Promise<void> {
  await ensureFolder(folder, 0o755)
  const { stderr, code } = await runProgram('apt-get', {
    env: aptEnvironment(),
    args: ['-c', apt.config, '-q', 'download', ...debs.map(deb => `${deb.name}=${deb.version}`)],
    cwd: folder,
    signal,
    accept: [0, 100],
  })
  if (code === 0) return
  const wrong = /(\S+\.deb).*?(Hash Sum mismatch|unexpected size)|(Hash Sum mismatch|unexpected size)/s.exec(stderr)
  if (wrong !== null) {
    throw new DrydockError('DD-COLLECT-004', `expected ${wrong[1] ?? 'every .deb'} as the signed index says, found a ${wrong[2] ?? wrong[3]}`, 'nothing of it was kept; look for a cache or proxy on the way that changes bytes, or run again after the mirror has caught up')
  }
  await rm(join(folder, 'partial'), { recursive: true, force: true })
  throw new DrydockError('DD-COLLECT-005', `expected apt to fetch ${debs.length} packages, found ${lastWords(stderr)}`, 'check the network and /etc/apt, then run the command again: what was fetched is kept')
}

/** Proxies may stand in the environment as well as in apt.conf. */
export function aptEnvironment(): NodeJS.ProcessEnv {
  const passed = Object.fromEntries(Object.entries(process.env).filter(([name, value]) => /^(https?|ftp|no)_proxy$/i.test(name) && value !== undefined))
  return { ...programEnvironment(), ...passed }
}

function lastWords(stderr: string): string {
  return stderr.trim().split('\n').findLast(line => line.startsWith('E:'))?.slice(3, 300) ?? 'a failure'
}
