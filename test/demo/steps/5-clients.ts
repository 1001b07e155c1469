import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openConfinedNetwork, type ConfinedNetwork } from '../../support/confined-network.ts'
import { APPLIANCE_NAME, type World } from '../world.ts'

/** An address of documentation (RFC 5737) that nobody has: the planted attempt to reach out. */
const PLANTED = '192.0.2.1'

/** Real clients in a namespace whose only peer is the appliance. Even an attempt to reach anything else fails the step. */
export async function useMirrors(world: World): Promise<void> {
  const network = await openConfinedNetwork({ address: '127.0.0.1', port: world.ports.https }, [APPLIANCE_NAME])
  world.stops.push(() => network.close())
  const place = join(world.scratch, 'clients')
  mkdirSync(place, { recursive: true })
  const ca = join(place, 'ca.pem')
  const url = `https://${APPLIANCE_NAME}:${world.ports.https}`
  writeFileSync(ca, await world.text('/ca.pem'))

  const planted = await network.run(['curl', '--silent', '--max-time', '2', `http://${PLANTED}/`])
  if (!planted.attempts.some(one => one.address === PLANTED)) throw new Error('expected the planted connection to be caught, found it unseen')
  world.show.line(`a planted connection to ${PLANTED} was caught (${planted.attempts.length} attempt) and went nowhere`)

  await npmClient(world, network, join(place, 'npm'), url, ca)
  await pipClient(world, network, join(place, 'pip'), url, ca)
  await aptClient(world, network, join(place, 'apt'), url, ca)
  await skopeoClient(world, network, join(place, 'oci'), ca)
  await network.close()
  world.stops.pop()
  rmSync(place, { recursive: true, force: true })
  world.show.fact('attempts to reach anything else', '0 (1 planted, caught)')
}

async function client(world: World, network: ConfinedNetwork, command: string[], options: { env?: Record<string, string>; cwd?: string } = {}): Promise<string> {
  world.show.command(command.join(' ').replaceAll(`${world.dir}/`, ''))
  const env = { PATH: process.env['PATH'] ?? '', HOME: options.cwd ?? world.scratch, LC_ALL: 'C.UTF-8', ...options.env }
  const done = await network.run(command, { env, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) })
  for (const line of done.output.trim().split('\n').slice(-4)) world.show.line(line)
  if (done.code !== 0) throw new Error(`expected ${command[0]} to succeed against the mirror, found exit ${done.code}\n${done.output.slice(-3000)}`)
  if (done.attempts.length > 0) throw new Error(`expected ${command[0]} to reach the appliance only, found attempts to ${done.attempts.map(one => `${one.address}:${one.port}`).join(', ')}`)
  return done.output
}

async function npmClient(world: World, network: ConfinedNetwork, place: string, url: string, ca: string): Promise<void> {
  mkdirSync(place)
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(world.checkout, 'test/demo/inputs/web', file), join(place, file))
  writeFileSync(join(place, '.npmrc'), `registry=${url}/npm/\ncafile=${ca}\naudit=false\nfund=false\nupdate-notifier=false\ncache=${place}/.cache\n`)
  await client(world, network, ['npm', 'ci'], { cwd: place })
}

async function pipClient(world: World, network: ConfinedNetwork, place: string, url: string, ca: string): Promise<void> {
  mkdirSync(place)
  await client(world, network, ['/usr/bin/python3', '-m', 'venv', 'venv'], { cwd: place })
  const page = JSON.parse(await world.text('/pypi/simple/numpy/', { accept: 'application/vnd.pypi.simple.v1+json' })) as { files: { filename: string; hashes: { sha256: string } }[] }
  const wheel = page.files.find(file => file.filename.startsWith('numpy-1.26'))
  if (wheel === undefined) throw new Error('expected a wheel of numpy 1.26 in the mirror, found none')
  writeFileSync(join(place, 'requirements.txt'), `numpy==${wheel.filename.split('-')[1]} --hash=sha256:${wheel.hashes.sha256}\n`)
  const pip = ['venv/bin/pip', 'install', '--isolated', '--no-cache-dir', '--disable-pip-version-check', '--require-hashes', '--index-url', `${url}/pypi/simple/`, '--cert', ca, '-r', 'requirements.txt']
  await client(world, network, pip, { cwd: place })
  await client(world, network, ['venv/bin/python', '-c', 'import numpy; print("numpy", numpy.__version__)'], { cwd: place })
}

/** A chroot made of the mirror itself, then apt-get in it with the archive signed by the appliance. */
async function aptClient(world: World, network: ConfinedNetwork, place: string, url: string, ca: string): Promise<void> {
  mkdirSync(place)
  const root = join(place, 'root')
  const key = join(place, 'drydock.asc')
  writeFileSync(key, await world.text('/apt/key.asc'))
  const suites = suitesOf(world)
  const lines = (keyPath: string): string[] => suites.map(suite => `deb [signed-by=${keyPath}] ${url}/apt ${suite} main`)
  await client(world, network, ['mmdebstrap', '--mode=root', '--variant=apt', '--dpkgopt=force-unsafe-io', `--aptopt=Acquire::https::CaInfo "${ca}"`, '--aptopt=Acquire::Languages "none"', 'bookworm', root, ...lines(key)], { cwd: place })
  cpSync(key, join(root, 'etc/apt/keyrings/drydock.asc'))
  cpSync(ca, join(root, 'etc/apt/drydock-ca.pem'))
  writeFileSync(join(root, 'etc/apt/sources.list'), `${lines('/etc/apt/keyrings/drydock.asc').join('\n')}\n`)
  writeFileSync(join(root, 'etc/apt/apt.conf.d/99zz-drydock'), 'Acquire::https::CaInfo "/etc/apt/drydock-ca.pem";\nAcquire::Languages "none";\n')
  writeFileSync(join(root, 'etc/hosts'), `127.0.0.1 localhost\n${network.peer.address} ${APPLIANCE_NAME}\n`)
  await client(world, network, ['chroot', root, 'apt-get', 'update'])
  await client(world, network, ['chroot', root, 'apt-get', 'install', '-y', '--no-install-recommends', 'hello'])
  await client(world, network, ['chroot', root, 'hello'])
}

/** The suites as upstream names them: a closure may need security's packages beside those of the release. */
function suitesOf(world: World): string[] {
  const lock = JSON.parse(readFileSync(join(world.workspace, 'lock.json'), 'utf8')) as { items: { kind: string; variant?: string }[] }
  return [...new Set(lock.items.filter(item => item.kind === 'deb').map(item => item.variant?.split('/')[0] ?? 'bookworm'))].toSorted()
}

async function skopeoClient(world: World, network: ConfinedNetwork, place: string, ca: string): Promise<void> {
  const certs = join(place, 'certs')
  mkdirSync(certs, { recursive: true })
  cpSync(ca, join(certs, 'ca.crt'))
  const reference = `docker://${APPLIANCE_NAME}:${world.ports.https}/demo/tools:1`
  await client(world, network, ['skopeo', 'copy', '--preserve-digests', '--src-cert-dir', certs, reference, `oci:${join(place, 'layout')}:1`])
  const digest = (await client(world, network, ['skopeo', 'inspect', '--cert-dir', certs, '--format', '{{.Digest}}', reference])).trim()
  if (digest !== world.facts['image digest at the registry']) throw new Error(`expected the image's digest unchanged (${world.facts['image digest at the registry']}), found ${digest}`)
  world.show.line('the digest is the one that the registry had')
}
