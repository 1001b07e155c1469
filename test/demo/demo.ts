/**
 * `npm run demo [-- --exit] [--json] [--data DIR]`: the whole way on real content, each step with the product's own commands.
 * Ends with the console running until Ctrl-C (or at once with --exit), which leaves no process behind.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { spawnSync } from 'node:child_process'
import { ensureApplianceUser } from '../support/appliance-user.ts'
import { enterReadableCheckout, everyParentIsOpen } from '../support/readable-checkout.ts'
import { ensureSystemPackages } from '../support/system-packages.ts'
import { openShow } from './show.ts'
import { ADMIN, keysTrustAndAppliance, PASSWORD } from './steps/1-appliance.ts'
import { collectContent } from './steps/2-collect.ts'
import { buildAndCheckBundle } from './steps/3-bundle.ts'
import { importBundle } from './steps/4-import.ts'
import { useMirrors } from './steps/5-clients.ts'
import { createPool } from './steps/6-pool.ts'
import { changePool } from './steps/7-change.ts'
import { rollBack } from './steps/8-rollback.ts'
import { clearEarlier, makeFolders, openWorld, peakMemory, type World } from './world.ts'

const DEFAULT_DIR = '/var/tmp/drydock-demo'

const { values } = parseArgs({ options: { exit: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, data: { type: 'string' } } })
const checkout = resolve(import.meta.dirname, '../..')

if (process.getuid?.() !== 0) {
  process.stderr.write('expected root (the demo makes a system user and a network namespace), found another user\ndo: run it as root; the appliance itself drops to its own user\n')
  process.exit(1)
}
ensureSystemPackages(line => process.stderr.write(`${line}\n`))
const user = ensureApplianceUser()
enterReadableCheckout(checkout, 'test/demo/demo.ts')

const STEPS: readonly [string, (world: World) => Promise<void>][] = [
  ['keys, trust, an appliance that runs', keysTrustAndAppliance],
  ['collect from the registries', collectContent],
  ['build, sign, verify the bundle', buildAndCheckBundle],
  ['import: preflight, approval, receipt', importBundle],
  ['real clients, and nothing leaves', useMirrors],
  ['a pool of two real machines', createPool],
  ['change a role, turn the pool over', changePool],
  ['roll back', rollBack],
]

const dir = resolve(values.data ?? DEFAULT_DIR)
if (!everyParentIsOpen(dirname(dir))) {
  process.stderr.write(`expected a folder that the appliance's own user can reach, found ${dir} below one that is closed to others\ndo: name another folder with --data\n`)
  process.exit(2)
}
clearEarlier(dir)
const show = openShow(values.json)
const world = openWorld(dir, user, show)
makeFolders(world)
const interrupted = Promise.withResolvers<never>()
interrupted.promise.catch(() => undefined)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.reject(new Interrupted()))

class Interrupted extends Error {}

try {
  buildConsole()
  for (const [index, [title, step]] of STEPS.entries()) {
    show.step(index + 1, title)
    await Promise.race([step(world), interrupted.promise])
    show.endStep()
  }
  show.step(9, 'what it took')
  if (world.up?.pid !== undefined) show.fact('peak memory of up', `${peakMemory(world.up.pid)} MiB`)
  show.fact('digests of steps 6 and 8', world.facts['image 1'] === world.facts['image 3'] ? 'equal' : 'DIFFERENT')
  show.table()
  show.line('')
  show.line(`console   https://localhost:${world.ports.https}   (its CA is the appliance's own: sha256 ${world.facts['caSha256']})`)
  show.line(`user      ${ADMIN}   password ${PASSWORD}   (and ana, ben, vera: operator, approver, viewer)`)
  if (!values.exit) {
    show.line('Ctrl-C ends everything.')
    await interrupted.promise
  }
} catch (failure) {
  if (!(failure instanceof Interrupted)) {
    show.line(`FAILED: ${failure instanceof Error ? failure.message : String(failure)}`)
    show.line(`the appliance's log is ${join(dir, 'up.log')}`)
    process.exitCode = 1
  }
} finally {
  await world.end()
  show.close()
}
process.exit()

/** The console's files come from vite; a checkout has none. */
function buildConsole(): void {
  mkdirSync(dir, { recursive: true })
  for (const command of [['node', 'ui/client/generate.ts'], ['vite', 'build', '--logLevel', 'error', 'ui/app']] as const) {
    const done = spawnSync(join(checkout, 'node_modules/.bin', command[0]), command.slice(1), { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] })
    if (done.status !== 0) throw new Error(`${command.join(' ')}: exit ${done.status}`)
  }
}
