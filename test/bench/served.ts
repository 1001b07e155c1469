import { mkdirSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { serve } from '../demo/local-registry.ts'
import { freePort } from '../appliance/main/site.ts'
import { BenchAppliance, removeTree } from './appliance.ts'
import { withBundle } from './bundle.ts'
import { makeImage, makeItems } from './content.ts'
import { inTurn, MIB, missingRow, onPath, ratioRow, seconds, type Bench } from './method.ts'

/** Six layers that make 1.1 GB together, as FACTS.md measured. */
const LAYERS = [400, 300, 200, 100, 60, 40]
const SCALE_JUDGED = 1

/** `oci`: one image from a file to the first client's pull. */
export const ociBench: Bench = {
  name: 'oci',
  about: 'one OCI image of 1.1 GB from a file to the first client pull, against crane push into docker-registry (--size: MiB of it)',
  async run(options) {
    if (!onPath('crane')) return [missingRow('oci', 'image to first pull', '≤ 1.2 ×', 'no crane on PATH: go install github.com/google/go-containerregistry/cmd/crane@latest')]
    const scale = options.size === undefined ? SCALE_JUDGED : options.size / (LAYERS.reduce((a, b) => a + b) * MIB)
    const layout = join(options.folder, 'layout')
    return await withBundle(options, blobs => [makeImage(layout, blobs, LAYERS.map(mib => Math.round(mib * MIB * scale)), 'image')], async ({ builder, bundle }) => {
      const timed = await inTurn(
        async () => await BenchAppliance.once(builder, options.folder, async appliance => {
          const { host, certs } = appliance.registry()
          return await appliance.import(bundle, () => pull(['--src-cert-dir', certs], `${host}/bench/image:1`, options.folder))
        }),
        async () => await withRegistry(options.folder, host => {
          const pushed = seconds('crane', ['push', '--insecure', layout, `${host}/bench/image:1`])
          return pushed + seconds('sync', []) + timedPull(['--src-tls-verify=false'], `${host}/bench/image:1`, options.folder)
        }),
        options.runs, options.say,
      )
      return [ratioRow('oci', `image to first pull, ${timed.value.toFixed(2)} s`, timed, 1.2, scale === SCALE_JUDGED)]
    })
  },
}

/** `served`: image and files from a bundle on disk to a client that has both, against the tools that people put together by hand. */
export const servedBench: Bench = {
  name: 'served',
  about: '1.1 GB image + 700 MiB file + 300 × 1 MiB, from disk to served, against sha256sum + skopeo into docker-registry + tar (--size: MiB of it)',
  async run(options) {
    const whole = LAYERS.reduce((a, b) => a + b) + 1000
    const scale = options.size === undefined ? SCALE_JUDGED : options.size / (whole * MIB)
    const layout = join(options.folder, 'layout')
    const sizes = [{ name: 'large.bin', size: Math.round(700 * MIB * scale) }, ...Array.from({ length: 300 }, (_none, k) => ({ name: `files/${k}.bin`, size: Math.round(MIB * scale) }))]
    const make = (blobs: string): ReturnType<typeof makeItems> => [...makeItems(blobs, sizes, 'served'), makeImage(layout, blobs, LAYERS.map(mib => Math.round(mib * MIB * scale)), 'served')]
    return await withBundle(options, make, async ({ builder, bundle, blobs, items }) => {
      const last = items.find(item => item.name === 'large.bin')!
      const files = items.flatMap(item => (item.kind === 'file' ? [item.blobs[0]!.digest.slice(7)] : []))
      const tar = join(options.folder, 'files.tar')
      const image = join(options.folder, 'image.tar')
      seconds('tar', ['-C', blobs, '-cf', tar, '-T', '-'], { input: files.join('\n') })
      seconds('skopeo', ['copy', '--quiet', '--preserve-digests', `oci:${layout}:1`, `oci-archive:${image}:1`])
      seconds('sh', ['-c', 'sha256sum files.tar image.tar > sums'], { cwd: options.folder })
      const timed = await inTurn(
        async () => await BenchAppliance.once(builder, options.folder, async appliance => {
          const { host, certs } = appliance.registry()
          const took = await appliance.import(bundle, () => {
            appliance.gets(last.name)
            pull(['--src-cert-dir', certs], `${host}/bench/image:1`, options.folder)
          })
          await appliance.hasGot(last.blobs[0]!.digest)
          return took
        }),
        async () => await withRegistry(options.folder, host => {
          const into = join(options.folder, 'untarred')
          mkdirSync(into)
          const took = seconds('sha256sum', ['-c', 'sums'], { cwd: options.folder })
            + seconds('skopeo', ['copy', '--quiet', '--preserve-digests', '--dest-tls-verify=false', `oci-archive:${image}:1`, `docker://${host}/bench/image:1`])
            + seconds('tar', ['-C', into, '-xf', tar]) + seconds('sync', [])
            + seconds('cp', [last.blobs[0]!.digest.slice(7), 'got'], { cwd: into })
            + timedPull(['--src-tls-verify=false'], `${host}/bench/image:1`, options.folder)
          removeTree(into)
          return took
        }),
        options.runs, options.say,
      )
      return [
        ratioRow('served', `image and files, ${timed.value.toFixed(2)} s`, timed, 0.5, scale === SCALE_JUDGED),
        missingRow('served', 'against zarf and hauler', '≤ 0.33 ×', 'by hand only: not on the Go proxy'),
      ]
    })
  },
}

function timedPull(options: readonly string[], reference: string, folder: string): number {
  const started = performance.now()
  pull(options, reference, folder)
  return (performance.now() - started) / 1000
}

function pull(options: readonly string[], reference: string, folder: string): void {
  const into = join(folder, 'pulled')
  seconds('skopeo', ['copy', '--quiet', '--preserve-digests', ...options, `docker://${reference}`, `dir:${into}`])
  removeTree(into)
}

/** An empty docker-registry, up before the clock starts. */
async function withRegistry(folder: string, work: (host: string) => number): Promise<number> {
  const place = join(folder, 'registry')
  mkdirSync(place)
  const port = await freePort()
  const server = await serve(place, port, AbortSignal.timeout(600_000))
  try {
    return work(`127.0.0.1:${port}`)
  } finally {
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    await ended
    removeTree(place)
  }
}
