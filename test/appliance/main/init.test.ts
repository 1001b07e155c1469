import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { wallClock } from '../../../appliance/core/clock.ts'
import { digestOf, hexOf } from '../../../appliance/core/digest.ts'
import { init } from '../../../appliance/main/inside/init.ts'
import { dataPaths } from '../../../appliance/state/data-folder.ts'
import { openSecrets } from '../../../appliance/state/secrets.ts'
import { initSite, planSite, startSite, TEST_RESERVE, type Site } from './site.ts'

t.setTimeout(120_000)
const DRYDOCK = join(import.meta.dirname, '../../../appliance/main/drydock')

async function newSite(t: Test): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-init-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return await planSite(folder)
}

const sha256Of = (site: Site): string => hexOf(digestOf(readFileSync(site.trustFile)))
const initWith = async (site: Site, trust: object) => await init({ config: site.config, admin: 'admin', clock: wallClock, trust: { file: site.trustFile, ...trust }, reserveBytes: TEST_RESERVE })

async function drydock(args: string[], killAfter?: number): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(DRYDOCK, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const [out, err]: string[][] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk.toString()))
  const ended = new Promise<number | null>(done => child.once('close', done))
  if (killAfter !== undefined) {
    await pause(killAfter)
    child.kill('SIGKILL')
  }
  return { code: await ended, stdout: out?.join('') ?? '', stderr: err?.join('') ?? '' }
}

await t.test('init makes an appliance that starts, whose secrets are not in its data folder in the clear', async t => {
  const site = await newSite(t)
  const made = await initSite(site)
  const paths = dataPaths(site.config.dataDir)
  t.match(made, { caSha256: /^[0-9a-f]{64}$/, signingKey: /^[0-9A-F]{40}$/, admin: { user: 'admin', oneTimePassword: /./ } })
  for (const folder of [paths.secrets, paths.pki]) t.equal(statSync(folder).mode & 0o777, 0o700)
  t.equal(statSync(paths.desired).mode & 0o777, 0o600)
  for (const [folder, name] of readdirSync(paths.root, { recursive: true, withFileTypes: true }).map(entry => [entry.parentPath, entry.name] as const)) {
    const path = join(folder, name)
    if (statSync(path).isFile()) t.notMatch(readFileSync(path, 'latin1'), /BEGIN (PGP PRIVATE|(EC )?PRIVATE) KEY/, `${name} holds no private key in the clear`)
  }
  t.notMatch(readFileSync(paths.desired, 'utf8'), made.admin.oneTimePassword)
  const appliance = await startSite(site.config)
  t.match(await appliance.services.identity.signIn('admin', made.admin.oneTimePassword, 'test'), { principal: { mayDo: 'admin', mustChangePassword: true } })
  t.match(appliance.services.audit.list().map(({ action }) => action), ['init', 'up'])
  await appliance.close()
})

await t.test('first trust needs a person: wrong digest, wrong fingerprints or nothing said is refused, and nothing is made', async t => {
  const site = await newSite(t)
  const wrong: object[] = [{ sha256: '0'.repeat(64) }, { fingerprints: [site.people[0]?.key.fingerprint] }, {}]
  await t.rejects(initWith(site, { file: join(site.folder, 'none.json'), sha256: sha256Of(site) }), { code: 'DD-CLI-002' })
  for (const trust of wrong) await t.rejects(initWith(site, trust), { code: 'DD-STATE-019' })
  t.notOk(existsSync(site.config.dataDir))
  t.notOk(existsSync(site.config.marksDir))
  await initWith(site, { fingerprints: site.people.map(({ key }) => key.fingerprint.replaceAll(/(.{4})/g, '$1 ').toLowerCase()) })
  t.ok(existsSync(dataPaths(site.config.dataDir).format), 'fingerprints may be typed with spaces and in lower case')
})

await t.test('init writes over nothing: a folder that holds anything is refused as it is', async t => {
  const site = await newSite(t)
  await initSite(site)
  const before = readFileSync(dataPaths(site.config.dataDir).desired, 'utf8')
  await t.rejects(initSite(site), { code: 'DD-STATE-016', message: /an appliance/ })
  t.equal(readFileSync(dataPaths(site.config.dataDir).desired, 'utf8'), before)
  const other = await newSite(t)
  writeFileSync(join(other.folder, 'data-file'), '')
  await t.rejects(initSite({ ...other, config: { ...other.config, dataDir: other.folder } }), { code: 'DD-STATE-016' })
})

await t.test('an init that was killed at any point is begun again', async t => {
  const site = await newSite(t)
  const { config } = site
  const args = ['init', '--data', config.dataDir, '--marks', config.marksDir, '--trust', site.trustFile, '--trust-sha256', sha256Of(site), '--json']
  const began = performance.now()
  await drydock([...args.slice(0, 2), join(site.folder, 'measure'), ...args.slice(3)])
  const whole = performance.now() - began
  for (let kill = 1; kill <= 8 && !existsSync(dataPaths(config.dataDir).format); kill++) await drydock(args, whole * (0.35 + 0.07 * kill))
  const done = existsSync(dataPaths(config.dataDir).format)
  if (!done) t.match(await drydock(args), { code: 0 })
  t.notOk(existsSync(join(config.dataDir, 'init-unfinished')) && !done)
  const appliance = await startSite(config)
  t.match(appliance.services.audit.list()[0], { action: 'init' })
  await appliance.close()
})

await t.test('what init left when it was cut off before its last step is begun again with the same key', async t => {
  const site = await newSite(t)
  const first = await initSite(site)
  rmSync(dataPaths(site.config.dataDir).format)
  writeFileSync(join(site.config.dataDir, 'init-unfinished'), `${first.applianceId}\n`)
  await t.rejects(startSite(site.config), { code: 'DD-STATE-001' }, 'it is no appliance')
  const second = await initSite(site)
  t.equal(second.applianceId, first.applianceId)
  t.not(second.caSha256, first.caSha256)
  t.same(readdirSync(site.config.marksDir).filter(name => name.endsWith('.key')).length, 1)
})

await t.test('who is not the owner of the data folder does not start it, so that no file of root stays in it', { skip: process.getuid?.() !== 0 }, async t => {
  const site = await newSite(t)
  await initSite(site)
  chownSync(site.config.dataDir, 65534, 65534)
  await t.rejects(startSite(site.config), { code: 'DD-STATE-022', hint: /setpriv --reuid 65534 --regid 65534 / })
  chownSync(site.config.dataDir, 0, 0)
})

await t.test('the command line says what is wrong in one line and what to do in another, with the right exit code', async t => {
  const site = await newSite(t)
  const empty = await drydock(['up', '--data', join(site.folder, 'media')])
  t.match(empty, { code: 1, stderr: /^failed: expected an initialised data folder at .*, found an empty one\ndo: run: drydock init --data .* DD-STATE-001\n$/ })
  t.match(await drydock(['init', '--data', site.config.dataDir, '--trust', site.trustFile, '--trust-sha256', 'f'.repeat(64)]), { code: 3, stderr: /^refused: [^\n]*\ndo: [^\n]*DD-STATE-019\n$/ })
  t.match(await drydock(['up']), { code: 2, stderr: /expected a data folder[^\n]*\ndo: [^\n]*DD-STATE-017/ })
  t.match(await drydock(['init', '--data', site.config.dataDir, '--marks', join(site.config.dataDir, 'marks'), '--trust', site.trustFile]), { code: 2, stderr: /marksDir outside the data folder/ })
})

await t.test('secrets open only with the key from outside the data folder, and only under their own name', async t => {
  const site = await newSite(t)
  const { applianceId } = await initSite(site)
  const { secrets: folder } = dataPaths(site.config.dataDir)
  const keyFile = join(site.config.marksDir, `secrets-${applianceId}.key`)
  const secrets = await openSecrets({ folder, keyFile })
  await secrets.put('ci-token', 'canary-7f3a')
  t.equal(await secrets.get('ci-token'), 'canary-7f3a')
  t.notMatch(readFileSync(join(folder, 'ci-token'), 'utf8'), /canary/)
  writeFileSync(join(folder, 'other'), readFileSync(join(folder, 'ci-token')))
  await t.rejects(secrets.get('other'), { code: 'DD-STATE-009' }, 'a secret that was moved')
  await t.rejects(secrets.put('../escape', 'x'), { code: 'DD-STATE-009' })
  writeFileSync(keyFile, `${'0'.repeat(64)}\n`)
  await t.rejects((await openSecrets({ folder, keyFile })).get('ci-token'), { code: 'DD-STATE-009' }, 'another key')
  await t.rejects(startSite(site.config), { code: 'DD-STATE-009' })
  rmSync(keyFile)
  await t.rejects(startSite(site.config), { code: 'DD-STATE-009', message: /found none/ })
})
