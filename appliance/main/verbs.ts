import type { Command } from 'commander'

/** A file of verbs: hangs its commands under the program, or under its noun when it only adds to one. */
export type VerbTable = { register(program: Command): void }

export type Noun = {
  readonly summary: string
  readonly group: string
  /** Files that make the noun, first the one that makes it, then those that add verbs to it. Loaded only when the noun is used. */
  readonly files: readonly [string, ...string[]]
}

const CONNECTED = 'On the connected side:'
const MACHINE = 'On the appliance itself:'
const CONTENT = 'What comes in:'
const FLEET = 'The fleets:'
const PEOPLE = 'People and proof:'

/** Every noun of the command line (design/console.md), in the order in which help shows them. */
export const NOUNS = {
  key: { summary: 'signing keys: new, list, export', group: CONNECTED, files: ['./outside/key.ts'] },
  trust: { summary: 'whose signatures are believed: new, update, bundle, show, accept', group: CONNECTED, files: ['./trust.ts', './outside/trust.ts', './outside/trust-update.ts'] },
  bundle: { summary: 'bundles: collect, build, sign, inspect, diff, sbom, verify, repair, label, relay', group: CONNECTED, files: ['./outside/bundle.ts', './outside/bundle-collect.ts', './outside/bundle-verify.ts', './outside/bundle-label.ts', './outside/bundle-inspect.ts', './outside/bundle-diff.ts', './outside/bundle-sbom.ts', './outside/bundle-relay.ts'] },
  init: { summary: 'make a new appliance in an empty data folder', group: MACHINE, files: ['./inside.ts'] },
  up: { summary: 'run the appliance', group: MACHINE, files: ['./inside.ts'] },
  doctor: { summary: 'check the machine and the configuration, and say what to do', group: MACHINE, files: ['./inside.ts'] },
  import: { summary: 'bring a bundle in: run, proceed, approve, reject, resume, list, show', group: CONTENT, files: ['../cli/import.ts'] },
  scanner: { summary: 'who looks at what comes in, and at what is here: list, rescan, findings', group: CONTENT, files: ['../cli/scanner.ts'] },
  dismissal: { summary: 'findings that are none: new, approve, reject, end, list', group: CONTENT, files: ['../cli/dismissal.ts'] },
  recall: { summary: 'what was withdrawn: new, bundle, list, show', group: CONTENT, files: ['../cli/recall.ts', './outside/recall.ts'] },
  media: { summary: 'sticks and discs at the appliance: list', group: CONTENT, files: ['../cli/media.ts'] },
  receipt: { summary: 'signed receipts of imports: list, export', group: CONTENT, files: ['../cli/receipt.ts'] },
  generation: { summary: 'generations of the mirrors: list', group: CONTENT, files: ['../cli/mirror.ts'] },
  mirror: { summary: 'what the mirrors hold: search', group: CONTENT, files: ['../cli/mirror.ts'] },
  pool: { summary: 'pools of runners: create, update, diff, apply, status, list, history, rollback, pause, resume, delete', group: FLEET, files: ['../cli/pool.ts'] },
  node: { summary: 'single runners: list, show, diff, console', group: FLEET, files: ['../cli/node.ts'] },
  image: { summary: 'images that were baked: list, show', group: FLEET, files: ['../cli/image.ts'] },
  hypervisor: { summary: 'where runners live: add, list', group: FLEET, files: ['../cli/connection.ts'] },
  ci: { summary: 'CI servers that runners work for: add, list', group: FLEET, files: ['../cli/connection.ts'] },
  events: { summary: 'what happened, and what happens now', group: FLEET, files: ['../cli/events.ts'] },
  operation: { summary: 'long actions: list, show, cancel', group: FLEET, files: ['../cli/operation.ts'] },
  login: { summary: 'sign in to an appliance and keep a token', group: PEOPLE, files: ['../cli/login.ts'] },
  logout: { summary: 'end the session and forget the token', group: PEOPLE, files: ['../cli/login.ts'] },
  user: { summary: 'people: add, list, remove, password', group: PEOPLE, files: ['../cli/user.ts'] },
  token: { summary: 'tokens for programs: new, list, revoke', group: PEOPLE, files: ['../cli/token.ts'] },
  clock: { summary: 'trusted time: show, reset', group: PEOPLE, files: ['../cli/clock.ts'] },
  decision: { summary: 'what two admins must agree to: list, confirm, withdraw', group: PEOPLE, files: ['../cli/decision.ts'] },
  audit: { summary: 'who did what: list, verify, export', group: PEOPLE, files: ['../cli/audit.ts', './outside/audit-verify.ts'] },
} as const satisfies Record<string, Noun>
