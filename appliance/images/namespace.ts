import { existsSync, lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DrydockError } from '../core/error.ts'
import { programEnvironment, runProgram } from '../core/run-program.ts'

/**
 * Root of a user namespace of its own, in which our user is root and its subordinate ids are everybody else; without a network, so that baking
 * cannot open a URL even by mistake; with a process namespace, so that nothing outlives it. When we are killed, so is it (pdeathsig): a step that
 * went on alone would write into the folder of the next try.
 */
const UNSHARE = ['unshare', '--user', '--map-root-user', '--map-auto', '--mount', '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc', '--']
const STEPS = fileURLToPath(new URL('./steps', import.meta.url))
/** What our own steps import, from the root of the package. */
const CODE = ['package.json', 'appliance', 'bundles', 'node_modules']
/** Where a site may keep what is the appliance's own, below what the steps see. */
const HIDDEN = ['/etc/drydock', '/etc/ssh', '/etc/ssl/private']
const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * A root of its own, because maintainer scripts of signed packages run in it as that namespace's root, and a chroot holds no root back: the
 * system's programs read-only, the work folder, what a step reads besides, and nothing of the appliance (no data folder, no marks, no
 * secrets, no other process). bubblewrap changes the root and lets go of the old one.
 */
function ownRoot(folder: string, reads: readonly string[]): string[] {
  const links = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].filter(name => lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink() === true)
  return [
    'bwrap', '--unshare-pid', '--die-with-parent', '--cap-add', 'ALL', '--ro-bind', '/usr', '/usr', ...links.flatMap(name => ['--symlink', readlinkSync(`/${name}`), `/${name}`]),
    '--ro-bind', '/etc', '/etc', ...HIDDEN.filter(path => existsSync(path)).flatMap(path => ['--tmpfs', path]),
    '--dev', '/dev', '--proc', '/proc', '--dir', '/tmp', '--dir', '/mnt', '--dir', '/var/tmp',
    ...reads.flatMap(path => ['--ro-bind', path, path]), '--bind', folder, folder, '--chdir', folder, '--',
  ]
}

export type Namespace = {
  /** The work folder; every step starts in it. */
  folder: string
  sourceDateEpoch: number
  signal: AbortSignal
}

/** Runs `steps/<step>.sh` inside, which sees the work folder and, read-only, the files `reads`. @returns what it printed. @throws DD-IMAGE-010 with the last lines of what it said. */
export async function runStep(step: string, args: readonly string[], namespace: Namespace, reads: readonly string[] = []): Promise<string> {
  return await inOwnRoot(['/bin/sh', join(STEPS, `${step}.sh`), ...args], `step ${step}`, namespace, [STEPS, ...reads])
}

/** Runs one of our own programs (steps/<name>.ts) inside, by the Node that runs us. */
export async function runOwnStep(step: string, args: readonly string[], namespace: Namespace, reads: readonly string[] = []): Promise<string> {
  const code = CODE.map(path => join(CHECKOUT, path))
  return await inOwnRoot([process.execPath, '--disable-warning=ExperimentalWarning', join(STEPS, `${step}.ts`), ...args], `step ${step}`, namespace, [...code, process.execPath, ...reads])
}

/** Exported for the test that tries to get out of it. */
export async function inOwnRoot(command: readonly string[], what: string, namespace: Namespace, reads: readonly string[]): Promise<string> {
  return await inside([...ownRoot(namespace.folder, reads), ...command], what, namespace)
}

/** Removes folders whose files may belong to subordinate ids. One that is not there is no error. Again, when a cancelled step is still dying in it. */
export async function removeInside(paths: readonly string[], signal: AbortSignal): Promise<void> {
  const script = 'for try in 1 2 3 4 5 6 7 8; do rm -rf --one-file-system -- "$@" && exit; sleep 0.2; done; exit 1'
  await inside(['sh', '-c', script, 'sh', ...paths], 'clean-up', { folder: '/', sourceDateEpoch: 0, signal })
}

async function inside(command: readonly string[], what: string, { folder, sourceDateEpoch, signal }: Namespace): Promise<string> {
  if (process.getuid?.() === 0) {
    throw new DrydockError('DD-IMAGE-009', 'expected to bake as an unprivileged user, found root', 'run the appliance as its own user (drydock)')
  }
  try {
    const env = { ...programEnvironment({ SOURCE_DATE_EPOCH: String(sourceDateEpoch), HOME: '/nonexistent' }), PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
    const { stdout } = await runProgram('setpriv', { args: ['--pdeathsig', 'KILL', '--', ...UNSHARE, ...command], cwd: folder, env, signal, package: 'util-linux' })
    return stdout.toString('utf8')
  } catch (failure) {
    if (!(failure instanceof DrydockError) || failure.code !== 'DD-CORE-006') throw failure
    if (/newuidmap|newgidmap|subuid|unshare failed|uid_map/.test(failure.hint)) {
      throw new DrydockError(
        'DD-IMAGE-009',
        'expected user namespaces with subordinate ids for this user, found none',
        'install uidmap, give the user 65536 ids in /etc/subuid and /etc/subgid, and allow unprivileged user namespaces',
        { cause: failure },
      )
    }
    throw new DrydockError('DD-IMAGE-010', `expected ${what} of the bake to succeed, found that it failed`, failure.hint, { cause: failure })
  }
}
