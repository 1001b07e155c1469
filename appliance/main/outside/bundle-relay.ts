import type { Command } from 'commander'
import { outputOf, type Output } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import { untilInterrupted } from './interrupt.ts'
import { collectBar } from './progress-bars.ts'
import { lockRelay, oneRound, relayForever, type RelayReport } from './relay/relay-loop.ts'
import { proxyVariables, readRelay, type Relay } from './relay/relay-file.ts'
import { readState, type RelayState } from './relay/relay-state.ts'
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
  volume: fat32                      # as bundle build --volume and --parity: for a watch folder on a medium, or where files get
  parity: 1                          # lost on the way; any one lost or damaged volume is then rebuilt
Several sites get what is collected once: instead of site and watchFolder
  sites:
    - { site: site-a, watchFolder: /srv/a/watch, trust: trust-a.json, since: { receipts: receipts-a, applianceKey: site-a.asc } }
    - { site: site-b, watchFolder: /srv/b/watch, trust: trust-b.json, volume: dvd }
trust, sign, since, stream, outbox, volume and parity stand at a site, or once at the top for all that do not say otherwise. A site that
fails holds up no other one.
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
    .option('--site <name>', 'with --once or --status: this one of several sites only')
    .option('--force', 'with --once: make a bundle although nothing changed')
    .option('--whole', 'with --force: everything, not only what is new; for a site that did not import a bundle that a delta stands on')
    .option('--status', 'show how the last round went and when the next one is, and end')
    .addHelpText('after', EXAMPLE)
    .action(relayVerb)
}

/** Exit code of something that waits for a person. */
const WAITING = 4

async function relayVerb(file: string, options: { once?: boolean; site?: string; force?: boolean; whole?: boolean; status?: boolean }, command: Command): Promise<void> {
  const output = outputOf(command)
  const relay = ofOneSite(await readRelay(file), options.site)
  if (options.status === true) return await status(relay, output)
  if (options.site !== undefined && options.once !== true) throw new DrydockError('DD-CLI-001', 'expected --once or --status beside --site, found --site alone', 'a relay that goes on serves every site of its file')
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
      // The failure of the only site is thrown, and printed like any other.
      const tell = (report: RelayReport): void => (report.outcome === 'failed' && (report.site === null || relay.deliveries.length === 1) ? undefined : told(output, report))
      const { waiting } = await untilInterrupted(signal => oneRound(deps(signal), undefined, tell)).finally(() => output.done())
      if (waiting) process.exitCode = WAITING
      return
    }
    for (const { site, watchFolder } of relay.deliveries) say(`relay of ${file}: ${site} gets what ${relay.collection} names, in ${watchFolder}`)
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
  output.line(`${at.slice(0, 19)}Z  ${'site' in what && what.site !== null ? `${what.site}  ` : ''}${tone === 'bad' ? 'failed: ' : ''}${what.text}${next}${code}`, tone)
  output.record({ at, ...what })
}

/** Bars are for a person who watches; a log gets what a round came to. */
function progressOn(output: Output): RoundDeps['progress'] {
  return progress => {
    if (output.terminal) output.progress(collectBar(progress))
  }
}

/** @throws DD-CLI-001 when the file names no such site */
function ofOneSite(relay: Relay, site: string | undefined): Relay {
  if (site === undefined) return relay
  const delivery = relay.deliveries.find(each => each.site === site)
  if (delivery !== undefined) return { ...relay, deliveries: [delivery] }
  throw new DrydockError('DD-CLI-001', `expected a site of the relay file behind --site, found ${site}`, `name one of ${relay.deliveries.map(each => each.site).join(', ')}`)
}

async function status({ workspace, deliveries }: Relay, output: Output): Promise<void> {
  const { last, next, failures } = await readState(workspace)
  const running = await lockRelay(workspace).then(lock => (lock.release(), false), () => true)
  const sites = []
  for (const { site, folder } of deliveries) {
    const { format: _format, next: _next, ...facts } = await readState(folder)
    sites.push({ site, ...facts })
  }
  output.line(`relay      ${running ? 'at work' : 'not running'}`)
  // Each of several sites tells the round itself, but for one that ended before any.
  if (deliveries.length === 1 || !sites.some(site => site.last?.began === last?.began)) lastRound({ last, failures }, output)
  output.line(`next round ${next === null ? 'when it is started' : `${next.slice(0, 19).replace('T', ' ')} UTC`}`)
  for (const site of sites) {
    if (deliveries.length > 1) {
      output.line(`site       ${site.site}`, 'strong')
      lastRound(site, output)
    }
    const { dropped, waiting } = site
    output.line(`dropped    ${dropped === null ? 'nothing yet' : `sequence ${dropped.sequence} at ${dropped.at.slice(0, 19).replace('T', ' ')} UTC: ${dropped.files.join(' ')}`}`)
    for (const { sequence, folder, lacks } of waiting) output.line(`waiting    sequence ${sequence} in ${folder} for ${lacks} more ${lacks === 1 ? 'signature' : 'signatures'}: drydock bundle sign`, 'strong')
  }
  output.record({ type: 'status', running, last, next, failures, sites })
}

function lastRound({ last, failures }: Pick<RelayState, 'last' | 'failures'>, output: Output): void {
  output.line(`last round ${last === null ? 'none yet' : `${last.ended.slice(0, 19).replace('T', ' ')} UTC: ${last.outcome}, ${last.text}${last.code === null ? '' : `      ${last.code}`}`}`)
  if (failures > 0) output.line(`failures   ${failures} since a good round; what was dropped before stays`, 'bad')
}
