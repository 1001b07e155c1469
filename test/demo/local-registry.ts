import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import { programEnvironment, runProgram } from '../../appliance/core/run-program.ts'
import { downloadDebs, closure, preparePrivateApt, updateLists, type TrustedSource } from '../../bundles/collect/apt/private-apt.ts'
import { machineSources, mayBeDebian } from '../../bundles/collect/apt/sources.ts'

const REPOSITORY = 'demo/tools'
const TAG = '1'
/** One layer each, unpacked from the machine's own Debian: os-release and a static busybox make an image that runs. */
const LAYERS = ['base-files', 'busybox-static']
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const START_TRIES = 100
const START_PAUSE_MS = 50

/** `sources`: where the debs come from, when not the machine's own Debian 12. */
export type RegistryOptions = { aptFolder: string; signal: AbortSignal; sources?: readonly TrustedSource[] }
export type LocalRegistry = { reference: string; digest: string; /** The image as an OCI layout, until stop. */ layout: string; stop(): Promise<void> }

/**
 * Debian's docker-registry on a free loopback port with a store of its own, holding one small image made of .debs. It stands for
 * the registry that the connected side would have. `aptFolder` keeps apt's lists; give collect's own (WORKSPACE/cache/apt-amd64)
 * and they are fetched once. The registry ends with this process, however that ends.
 */
export async function startLocalRegistry(options: RegistryOptions): Promise<LocalRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-registry-'))
  let server: ChildProcess | undefined
  const stop = async () => {
    if (server !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    }
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const layout = join(folder, 'layout')
    const digest = await writeImage(layout, await layerTars(folder, options))
    const port = await freePort()
    server = await serve(folder, port, options.signal)
    const reference = `127.0.0.1:${port}/${REPOSITORY}:${TAG}`
    await runProgram('skopeo', { args: ['copy', '--quiet', '--preserve-digests', '--dest-tls-verify=false', `oci:${layout}:${TAG}`, `docker://${reference}`], signal: options.signal })
    return { reference, digest, layout, stop }
  } catch (failure) {
    await stop()
    throw failure
  }
}

async function layerTars(folder: string, { aptFolder, signal, sources }: RegistryOptions): Promise<Buffer[]> {
  const apt = await preparePrivateApt(aptFolder, 'amd64', sources ?? (await debianSources()))
  await updateLists(apt, signal)
  const debs = (await closure(apt, 'the demo image', LAYERS, signal)).filter(deb => LAYERS.includes(deb.name))
  const place = join(folder, 'debs')
  await downloadDebs(apt, debs, place, signal)
  return await Promise.all(
    LAYERS.map(async name => {
      const deb = debs.find(candidate => candidate.name === name)!
      const file = join(place, `${name}_${deb.version.replaceAll(':', '%3a')}_${deb.architecture}.deb`)
      return (await runProgram('dpkg-deb', { args: ['--fsys-tarfile', file], signal })).stdout
    }),
  )
}

async function debianSources(): Promise<TrustedSource[]> {
  return (await machineSources()).filter(source => source.suite.startsWith('bookworm') && mayBeDebian(source)).map(({ uri, suite, components }) => ({ uri, suite, components, keyring: DEBIAN_KEYRING }))
}

/** An OCI layout (image-spec 1.0) with nothing in it that depends on when or where it is made. @returns the manifest's digest. */
async function writeImage(layout: string, tars: readonly Buffer[]): Promise<string> {
  const blobs = join(layout, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const keep = async (bytes: Buffer, mediaType: string) => {
    await writeFile(join(blobs, hexOf(digestOf(bytes))), bytes)
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const layers = []
  for (const tar of tars) layers.push(await keep(gzipSync(tar), 'application/vnd.oci.image.layer.v1.tar+gzip'))
  const config = {
    architecture: 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: { Cmd: ['/bin/busybox', 'sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: tars.map(tar => digestOf(tar)) },
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: await keep(Buffer.from(JSON.stringify(config)), 'application/vnd.oci.image.config.v1+json'),
    layers,
  }
  const root = await keep(Buffer.from(JSON.stringify(manifest)), manifest.mediaType)
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...root, annotations: { 'org.opencontainers.image.ref.name': TAG } }] }))
  return root.digest
}

/** Debian's docker-registry over an empty store in `folder`. The caller ends it. */
export async function serve(folder: string, port: number, signal: AbortSignal): Promise<ChildProcess> {
  const config = join(folder, 'registry.yml')
  await writeFile(config, `version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: ${JSON.stringify(join(folder, 'store'))} } }\nhttp: { addr: '127.0.0.1:${port}' }\n`)
  const said = join(folder, 'registry.log')
  const server = spawn('setpriv', ['--pdeathsig', 'TERM', 'sh', '-c', 'exec docker-registry serve "$0" >"$1" 2>&1', config, said], { env: programEnvironment(), stdio: 'ignore' })
  server.on('error', () => undefined)
  for (let tries = 0; tries < START_TRIES; tries++) {
    signal.throwIfAborted()
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok === true) return server
    if (server.exitCode !== null) break
    await pause(START_PAUSE_MS, undefined, { signal })
  }
  server.kill('SIGKILL')
  throw new TypeError(`docker-registry did not start: ${await readFile(said, 'utf8').catch(() => 'it said nothing')}`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
