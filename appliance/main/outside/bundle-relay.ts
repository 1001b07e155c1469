import type { Command } from 'commander'
import { byteText, outputOf, type Output } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import { untilInterrupted } from './interrupt.ts'
import { lockRelay, oneRound, relayForever, type RelayReport } from './relay/relay-loop.ts'
import { proxyVariables, readRelay } from './relay/relay-file.ts'
import { readState } from './relay/relay-state.ts'
import type { RoundDeps } from './relay/round.ts'

const EXAMPLE = `
relay.yaml:
  apiVersion: drydock/v1
  kind: Relay
  collection: collection.yaml        # as bundle collect takes it
  workspace: workspace               # made when it is not there
  site: site-a
  watchFolder: /srv/drydock/watch    # the folder that the appliance watches
  trust: trust.json                  # the appliance's own; every bundle is judged by it before it is dropped
  sign: { keys: [relay.key] }        # or gpg: [USER]; fewer than the threshold: the bundle waits in the outbox
  every: 6h                          # or at: ['02:30', '14:00'] (UTC)
  proxy: http://proxy.example:3128   # everything is fetched through it
  since: { receipts: receipts, applianceKey: appliance.asc }   # only what the site does not hold by its receipts;
                                     # or since: dropped, for sites from which nothing comes back
  volume: fat32
The relay's key must be a release key of trust.json: whoever holds this machine can then release what it collects. Where that is too
much for one machine, let the site want two release signatures: the relay gives one, a person the other with drydock bundle sign.`

/** `drydock bundle relay FILE`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('relay')
    .summary('collect, build, sign and drop bundles by a schedule')
    .description(
      'For sites with a connected side: collects what a relay file names, through the site\'s proxy, builds and signs a bundle, judges it as the\n' +
        'appliance will, and drops it into the folder that the appliance watches: whole and at once, or not at all. Nothing changed, nothing dropped.\n' +
        'The appliance itself has no uplink: this runs outside, and nothing comes back but receipts that somebody carries.',
    )
    .argument('<file>', 'the relay file (YAML)')
    .option('--once', 'one round now, then end: for cron, a systemd timer, or a try')
    .option('--force', 'with --once: make a bundle although nothing changed')
    .option('--whole', 'with --force: everything, not only what is new; for a site that did not import a bundle that a delta stands on')
    .option('--status', 'show how the last round went and when the next one is, and end')
    .addHelpText('after', EXAMPLE)
    .action(relayVerb)
}

/** Exit code of something that waits for a person. */
const WAITING = 4

async function relayVerb(file: string, options: { once?: boolean; force?: boolean; whole?: boolean; status?: boolean }, command: Command): Promise<void> {
  const output = outputOf(command)
  const relay = await readRelay(file)
  if (options.status === true) return await status(relay.workspace, output)
  if (options.force === true && options.once !== true) throw new DrydockError('DD-CLI-001', 'expected --once beside --force, found --force alone', 'a relay that makes a bundle in every round fills the watch folder with what is there already')
  if (options.whole === true && options.force !== true) throw new DrydockError('DD-CLI-001', 'expected --force beside --whole, found --whole alone', 'name both, with --once')
  if (relay.schedule === undefined && options.once !== true) throw new DrydockError('DD-RELAY-001', `expected every or at in ${file}, found neither`, 'add every: 6h, or run it with --once')
  // This process is the relay and nothing else, so its own environment is the one place that all of them look into, apt included.
  Object.assign(process.env, proxyVariables(relay))
  const lock = await lockRelay(relay.workspace)
  const say = (text: string): void => told(output, { type: 'relay', text })
  const deps = (signal: AbortSignal): RoundDeps => ({ relay, environment: process.env, clock: wallClock, signal, force: options.force === true, whole: options.whole === true, say, progress: progressOn(output) })
  try {
    if (options.once === true) {
      // A failure is thrown, and printed like any other.
      const tell = (report: RelayReport): void => (report.outcome === 'failed' ? undefined : told(output, report))
      const { outcome } = await untilInterrupted(signal => oneRound(deps(signal), undefined, tell)).finally(() => output.done())
      if (outcome === 'waiting') process.exitCode = WAITING
      return
    }
    say(`relay of ${file}: ${relay.site} gets what ${relay.collection} names, in ${relay.watchFolder}`)
    await untilInterrupted(signal => relayForever(deps(signal), relay.schedule!, report => told(output, report))).finally(() => output.done())
    say('stopped; the next start goes on from here')
    // To end a relay is no failure: systemd would restart what it ended itself.
    process.exitCode = 0
  } finally {
    lock.release()
  }
}

/** A line of a log, with its time; or the object with --json. */
function told(output: Output, what: RelayReport | { type: 'relay'; text: string }): void {
  output.done()
  const at = wallClock.now().toISOString()
  const next = 'next' in what && what.next !== null ? `; next round ${what.next.slice(0, 19).replace('T', ' ')} UTC` : ''
  const code = 'code' in what && what.code !== null ? `      ${what.code}` : ''
  const tone = 'outcome' in what && what.outcome === 'failed' ? 'bad' : 'plain'
  output.line(`${at.slice(0, 19)}Z  ${tone === 'bad' ? 'failed: ' : ''}${what.text}${next}${code}`, tone)
  output.record({ at, ...what })
}

/** Bars are for a person who watches; a log gets what a round came to. */
function progressOn(output: Output): RoundDeps['progress'] {
  return ({ phase, done, total, bytes }) => {
    if (output.terminal) output.progress({ phase, done, total, unit: 'items', etaSeconds: null, words: `${phase} ${done}/${total} items · ${byteText(bytes)}` })
  }
}

async function status(workspace: string, output: Output): Promise<void> {
  const state = await readState(workspace)
  const running = await lockRelay(workspace).then(lock => (lock.release(), false), () => true)
  const { last, next, dropped, waiting } = state
  output.line(`relay      ${running ? 'at work' : 'not running'}`)
  output.line(`last round ${last === null ? 'none yet' : `${last.ended.slice(0, 19).replace('T', ' ')} UTC: ${last.outcome}, ${last.text}${last.code === null ? '' : `      ${last.code}`}`}`)
  if (state.failures > 0) output.line(`failures   ${state.failures} since a good round; what was dropped before stays`, 'bad')
  output.line(`next round ${next === null ? 'when it is started' : `${next.slice(0, 19).replace('T', ' ')} UTC`}`)
  output.line(`dropped    ${dropped === null ? 'nothing yet' : `sequence ${dropped.sequence} at ${dropped.at.slice(0, 19).replace('T', ' ')} UTC: ${dropped.files.join(' ')}`}`)
  for (const { sequence, folder, lacks } of waiting) output.line(`waiting    sequence ${sequence} in ${folder} for ${lacks} more ${lacks === 1 ? 'signature' : 'signatures'}: drydock bundle sign`, 'strong')
  const { format: _format, ...facts } = state
  output.record({ type: 'status', running, ...facts })
}
