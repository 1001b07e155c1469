import { Option, type Command } from 'commander'
import { outputOf, type Output } from '../cli/output.ts'
import { wallClock } from '../core/clock.ts'
import { loadConfig, type ConfigFile } from './inside/config.ts'
import type { Finding } from './inside/doctor.ts'

type Places = { data?: string; marks?: string; config?: string; site?: string; publicUrl?: string; name?: string[]; listen?: string; agentListen?: string; mediaRoot?: string[]; watchFolder?: string[] }

/** The verbs of the appliance itself: they work on its folder, not over HTTP. */
export function register(program: Command): void {
  const init = program
    .command('init')
    .description('Makes a new appliance in an empty data folder: CA, signing key, first admin, and the trust that all later bundles are judged by.')
    .requiredOption('--trust <file>', 'trust.json, as `drydock trust new` made it')
    .option('--trust-sha256 <digest>', 'its SHA-256, as you got it by another way than the file')
    .option('--fingerprint <fingerprint...>', 'or the fingerprints of all its keys, typed from paper')
    .option('--admin <name>', 'name of the first admin', 'admin')
  places(init).action(runInit)

  const up = program.command('up').description('Runs the appliance until it is told to stop (SIGTERM, Ctrl-C). VMs go on meanwhile.').addOption(new Option('--log-level <level>', 'how much it says').choices(['debug', 'info', 'warn', 'error']).default('info'))
  places(up).action(runUp)

  places(program.command('doctor').description('Checks the machine, the configuration and the data folder, and says what to do. Changes nothing.')).action(runDoctor)
}

function places(command: Command): Command {
  return command
    .option('--data <folder>', 'the data folder')
    .option('--marks <folder>', 'where anti-rollback marks and the key of secrets/ are kept; outside the data folder and its backups')
    .option('--config <file>', 'drydock.yaml; default: the data folder\'s own, then /etc/drydock/drydock.yaml')
    .option('--site <id>', 'this site\'s id, as bundles name it')
    .option('--public-url <url>', 'the one address of the appliance, https://NAME:8443')
    .option('--name <name...>', 'other names and addresses for the server certificate')
    .option('--listen <address>', 'console, API and mirrors, HOST:PORT')
    .option('--agent-listen <address>', 'agents of the nodes, HOST:PORT')
    .option('--watch-folder <folder...>', 'folders in which a bundle that appears starts its import, as far as the preflight')
    .option('--media-root <folder...>', 'folders below which `import run` may name a file of this machine')
}

function given(flags: Places): ConfigFile & { config?: string } {
  const named = {
    dataDir: flags.data, marksDir: flags.marks, config: flags.config, siteId: flags.site, publicUrl: flags.publicUrl, names: flags.name, listen: flags.listen, agentListen: flags.agentListen,
    mediaRoots: flags.mediaRoot, watchFolders: flags.watchFolder,
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

/** What the appliance writes is its own user's and group's, whatever the caller's umask was. */
const UMASK = 0o027

async function runInit(flags: Places & { trust: string; trustSha256?: string; fingerprint?: string[]; admin: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const config = await loadConfig(given(flags), process.env)
  process.umask(UMASK)
  const { init } = await import('./inside/init.ts')
  const made = await init({ config, admin: flags.admin, clock: wallClock, trust: { file: flags.trust, sha256: flags.trustSha256, fingerprints: flags.fingerprint } })
  output.line(`appliance  ${made.applianceId} of site ${config.siteId}`, 'strong')
  output.line(`data       ${config.dataDir}`)
  output.line(`marks      ${config.marksDir}   (keep it out of backups of the data folder; it holds the key of secrets/)`)
  output.line(`trust      sha256:${made.trustSha256}`)
  output.line(`CA         sha256:${made.caSha256}   ${made.caFile}`)
  output.line(`signs with ${made.signingKey}`)
  output.line(`admin      ${made.admin.user}   one-time password: ${made.admin.oneTimePassword}`)
  output.line(`next       drydock up --data ${config.dataDir}`)
  output.line(`           drydock login ${config.publicUrl} --ca-sha256 ${made.caSha256}`)
  output.record({ type: 'init', ...made, dataDir: config.dataDir, marksDir: config.marksDir, siteId: config.siteId, publicUrl: config.publicUrl })
}

async function runUp(flags: Places & { logLevel: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const config = await loadConfig(given(flags), process.env)
  const [{ startAppliance }, { processLog }] = await Promise.all([import('./inside/start.ts'), import('./inside/log.ts')])
  process.umask(UMASK)
  const told = stopSignals()
  const log = processLog(flags.logLevel)
  const appliance = await startAppliance(config, log)
  output.line(`console  ${appliance.url}/`, 'strong')
  output.line(`agents   ${appliance.agentUrl}`)
  output.line(`CA       sha256:${appliance.caSha256}`)
  output.record({ type: 'up', applianceId: appliance.applianceId, url: appliance.url, agentUrl: appliance.agentUrl, caSha256: appliance.caSha256 })
  const signal = await told
  log.info({ signal }, 'stopping')
  await appliance.close()
  log.info({}, 'stopped')
  // What a library still holds open (a timer, a socket) does not keep a stopped appliance.
  process.exit(0)
}

/** The first asks to stop; the second does not wait, which the journal allows at any time. */
async function stopSignals(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let asked = false
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (asked) process.exit(130)
      asked = true
      resolve(name)
    })
  }
  return await promise
}

async function runDoctor(flags: Places, command: Command): Promise<void> {
  const output = outputOf(command)
  const { examine } = await import('./inside/doctor.ts')
  const findings = await examine(await loadConfig(given(flags), process.env))
  for (const finding of findings) tell(finding, output)
  if (findings.some(({ state }) => state === 'bad')) process.exitCode = 1
}

function tell(finding: Finding, output: Output): void {
  output.line(`${finding.state.padEnd(8)} ${finding.check.padEnd(20)} ${finding.found}`, finding.state === 'good' ? 'good' : finding.state === 'bad' ? 'bad' : 'plain')
  if (finding.state === 'bad') output.line(`         do: ${finding.hint}`)
  output.record({ type: 'finding', ...finding })
}
