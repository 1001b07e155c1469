import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { APPLIANCE_NAME, freePort, until, type World } from '../world.ts'

/** The people of the demo. The admin comes with `init`; the one who brings a bundle is never the one who approves it. */
export const PEOPLE = { ana: 'operator', ben: 'approver', vera: 'viewer' } as const
export const ADMIN = 'admin'
/** Made for this run and printed at the end: the demo is no place for a secret. */
export const PASSWORD = 'demo-password-2026'

/** Two release keys, a trust document that needs both, an appliance that starts from it. */
export async function keysTrustAndAppliance(world: World): Promise<void> {
  await world.drydock('ana', ['key', 'new', '--name', 'Ana Ruiz', '--out', world.keys])
  await world.drydock('ana', ['key', 'new', '--name', 'Jon Berg', '--out', world.keys])
  const pub = ['ana-ruiz', 'jon-berg'].map(name => join(world.keys, `${name}.pub`))
  const trust = join(world.keys, 'trust.json')
  await world.drydock('ana', ['trust', 'new', '--root', ...pub, '--release', ...pub, '--recall', ...pub, '--threshold', 'root=2', 'release=2', '--out', trust])
  const shown = await world.records<{ sha256: string }>('ana', ['trust', 'show', trust])
  const trustSha256 = shown.find(one => one.sha256 !== undefined)?.sha256 ?? ''

  world.ports.https = await freePort()
  world.ports.agents = await freePort()
  const init = [
    'init', '--data', world.data, '--marks', world.marks, '--site', 'site-a', '--public-url', `https://${APPLIANCE_NAME}:${world.ports.https}`,
    '--listen', `127.0.0.1:${world.ports.https}`, '--agent-listen', `127.0.0.1:${world.ports.agents}`, '--media-root', world.media, '--trust', trust, '--trust-sha256', trustSha256,
  ]
  const made = await world.asAppliance(init)
  const record = made.find(one => 'admin' in one) as { caSha256: string; admin: { user: string; oneTimePassword: string } } | undefined
  if (record === undefined) throw new Error(`expected init to tell the one-time password, found ${JSON.stringify(made)}`)
  world.facts['caSha256'] = record.caSha256

  startAppliance(world)
  await until('the appliance to answer', 60, async () => ((await world.answers('/readyz')) ? true : undefined))
  world.show.line(`the console answers: https://localhost:${world.ports.https}`)

  await startCiAndForeignVm(world)
  await signIn(world, ADMIN, record.admin.oneTimePassword)
  const [token] = await world.records<{ credential: string }>(ADMIN, ['token', 'new', 'demo', '--hours', '24'])
  world.token = token?.credential ?? ''
  for (const [person, role] of Object.entries(PEOPLE)) {
    world.show.command(`drydock user add ${person} --role ${role}`)
    const added = await world.records<{ oneTimePassword?: string }>(ADMIN, ['user', 'add', person, '--role', role])
    await signIn(world, person, added.find(one => one.oneTimePassword !== undefined)?.oneTimePassword ?? '')
  }
}

/** The appliance as a process of its own user, and what an operator's site has beside it: a CI server, and a VM that is not ours. */
function startAppliance(world: World): void {
  const log = join(world.dir, 'up.log')
  writeFileSync(log, '')
  world.up = world.start('up', join(world.checkout, 'appliance/main/drydock'), ['up', '--data', world.data, '--marks', world.marks], { asAppliance: true, onLine: line => appendFileSync(log, `${line}\n`) })
}

async function startCiAndForeignVm(world: World): Promise<void> {
  const tokenFile = join(world.ciFolder, 'token')
  writeFileSync(tokenFile, world.ciToken, { mode: 0o600 })
  const server = ['appliance/ci/sim/server.ts', '--listen', '127.0.0.1:0', '--state', world.ciFolder, '--token-file', tokenFile]
  world.start('ci', process.execPath, server.map((word, index) => (index === 0 ? join(world.checkout, word) : word)), {
    onLine: line => {
      if (line.startsWith('http')) world.ciUrl = line
    },
  })
  await until('the CI server to answer', 30, async () => (world.ciUrl === '' ? undefined : true))
  world.show.line(`the site's CI server (sim) answers at ${world.ciUrl}`)
  world.foreign = world.start('foreign VM', 'qemu-system-x86_64', ['-name', 'not-ours', '-nodefaults', '-display', 'none', '-machine', 'q35,accel=tcg', '-m', '32', '-S'])
  world.show.line(`a VM that is not ours stands beside (process ${world.foreign.pid})`)
}

/** Signs in with a password that must be changed, and changes it. */
async function signIn(world: World, person: string, oneTime: string): Promise<void> {
  const env = { DRYDOCK_PASSWORD: oneTime, DRYDOCK_NEW_PASSWORD: PASSWORD }
  await world.drydock(person, ['login', `https://localhost:${world.ports.https}`, '--ca-sha256', world.facts['caSha256'] ?? '', '--user', person], { env })
}
