import { createReadStream } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf, parseDigest } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { Collecting } from '../collecting.ts'
import { mediaTypeOf, type Descriptor } from './descriptor.ts'
import { isLoopback } from './registry-name.ts'
import { counted } from '../progress.ts'
import { expectedOf, type FoundManifest, type ImageSource } from './source.ts'

/**
 * An image by skopeo, which honours all of the machine's container configuration and knows what `docker save` writes. It copies the
 * whole image before the first part is looked at; tags beside it can be asked for, the referrers API it does not know.
 */
export async function openBySkopeo(address: { docker: string } | { dockerArchive: string; tag: string | undefined }, what: string, collecting: Collecting): Promise<ImageSource> {
  const folder = await mkdtemp(join(await collecting.workspace.cacheFolder('oci'), 'copy-'))
  const source = 'docker' in address ? `docker://${address.docker}` : `docker-archive:${address.dockerArchive}${address.tag === undefined ? '' : `:${address.tag}`}`
  const plain = 'docker' in address && isLoopback(address.docker.split('/')[0] ?? '')
  let copied: Promise<unknown> | undefined
  const copy = async () => await (copied ??= skopeo(['copy', '--quiet', '--all', '--preserve-digests', ...(plain ? ['--src-tls-verify=false'] : []), source, `dir:${folder}`], what, collecting))
  const inspect = async (place: string): Promise<FoundManifest> => {
    const bytes = (await skopeo(['inspect', '--raw', ...(plain ? ['--tls-verify=false'] : []), place], what, collecting)).stdout
    return { bytes, mediaType: mediaTypeOf(bytes, undefined, what), digest: digestOf(bytes) }
  }
  /** skopeo's `dir:` names blobs by their hex digits and the manifests below an index `<hex>.manifest.json`. */
  const path = async ({ digest }: Descriptor): Promise<string> => {
    await copy()
    const hex = hexOf(parseDigest(digest))
    for (const name of [hex, `${hex}.manifest.json`]) {
      const handle = await open(join(folder, name)).catch(() => undefined)
      await handle?.close()
      if (handle !== undefined) return join(folder, name)
    }
    throw new DrydockError('DD-COLLECT-013', `expected ${digest} of ${what}, found it missing`, 'have the image pushed again: not all of it is there')
  }
  return {
    root: async () => await inspect(source),
    async tagged(tag) {
      if (!('docker' in address)) return undefined
      const repository = address.docker.replace(/@.*$/, '').replace(/:[^:/]+$/, '')
      return await inspect(`docker://${repository}:${tag}`).catch((failure: unknown) => {
        if (failure instanceof DrydockError && failure.code === 'DD-COLLECT-006') return undefined
        throw failure
      })
    },
    manifest: async descriptor => await readFile(await path(descriptor)),
    async blob(descriptor, workspace, coming) {
      return await workspace.keep(`${descriptor.digest} of ${what}`, counted(createReadStream(await path(descriptor), { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, descriptor.size, coming), expectedOf(descriptor))
    },
    async referrers() {
      return []
    },
    async close() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function skopeo(args: string[], what: string, { environment, signal }: Collecting): Promise<{ stdout: Buffer }> {
  const { stdout, stderr, code } = await runProgram('skopeo', { args, env: environment, signal, accept: [0, 1, 2], maxOutput: 16 * 1024 * 1024 })
  if (code === 0) return { stdout }
  if (/manifest unknown|name unknown|not found|no such (file|image)|no descriptor found|NAME_UNKNOWN|MANIFEST_UNKNOWN/i.test(stderr)) {
    throw new DrydockError('DD-COLLECT-006', `expected ${what} in its registry or archive, found none of that name`, 'check the reference: host/name:tag or host/name@sha256:…')
  }
  if (/digest|did not match|Verification of|signature|rejected by policy/i.test(stderr) && !/dial tcp|pinging/.test(stderr)) {
    throw new DrydockError('DD-COLLECT-004', `expected every part of ${what} by its digest and as the policy of this machine demands it, found otherwise`, 'nothing of it was kept; ask the registry for a clean copy, and look at containers-policy.json')
  }
  throw new DrydockError('DD-COLLECT-005', `expected the registry to give ${what}, found ${/msg="?(.*?)"?$/m.exec(stderr)?.[1]?.slice(0, 200) ?? 'a failure'}`, 'check the network, the reference and `skopeo login`, then run the command again: what was fetched is kept')
}
