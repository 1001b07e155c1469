import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { digestOf, hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { checkShape } from '../../format/check.ts'
import { DigestText, type Item, type ItemBlob } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import type { OciWant } from '../collection.ts'
import { purl } from '../purl.ts'

const Descriptor = Type.Object({ mediaType: Type.String({ maxLength: 255 }), digest: DigestText, size: Type.Integer({ minimum: 0 }), urls: Type.Optional(Type.Array(Type.String())) })
type Descriptor = Type.Static<typeof Descriptor>
const ImageManifest = Type.Object({ config: Descriptor, layers: Type.Array(Descriptor) })
const ImageIndex = Type.Object({ manifests: Type.Array(Descriptor) })

const INDEXES = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']
const MANIFESTS = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']

/** One image by reference, layout or archive, unchanged: skopeo fetches it and checks every digest, and the tree is walked again here. */
export async function collectOci(want: OciWant, collecting: Collecting): Promise<Item> {
  const { workspace, meter, signal } = collecting
  meter.planned(1)
  const source = skopeoSource(want)
  const { name, tag } = nameAndTag(want)
  const what = `image ${name}:${tag}`
  const raw = (await skopeo(['inspect', ...source.flags.inspect, '--raw', source.address], what, collecting)).stdout
  const root: Descriptor = { mediaType: mediaTypeOf(raw, what), digest: digestOf(raw), size: raw.length }
  const folder = await mkdtemp(join(await workspace.cacheFolder('oci'), 'copy-'))
  try {
    if (!(await isComplete(root, raw, collecting))) {
      await skopeo(['copy', '--quiet', '--preserve-digests', ...source.flags.copy, source.address, `dir:${folder}`], what, collecting)
    }
    const blobs = await keepTree(root, raw, folder, what, collecting)
    signal.throwIfAborted()
    meter.finished(1)
    return {
      kind: 'oci',
      name,
      version: tag,
      metadata: { mediaType: root.mediaType, digest: root.digest },
      blobs,
      source: purl('oci', [name.split('/').at(-1)!], root.digest, { tag }),
      upstream: { digest: root.digest },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type SkopeoSource = { address: string; flags: { inspect: string[]; copy: string[] } }

function skopeoSource(want: OciWant): SkopeoSource {
  if ('layout' in want) return { address: `oci:${want.layout}${want.tag === undefined ? '' : `:${want.tag}`}`, flags: { inspect: [], copy: ['--all'] } }
  if ('archive' in want) return { address: `oci-archive:${want.archive}${want.tag === undefined ? '' : `:${want.tag}`}`, flags: { inspect: [], copy: ['--all'] } }
  // Loopback never leaves the machine; everything else is TLS unless containers' own configuration says otherwise.
  const plain = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?\//.test(want.reference)
  return {
    address: `docker://${want.reference}`,
    flags: { inspect: plain ? ['--tls-verify=false'] : [], copy: ['--all', ...(plain ? ['--src-tls-verify=false'] : [])] },
  }
}

function nameAndTag(want: OciWant): { name: string; tag: string } {
  const as = want.as ?? ('reference' in want ? want.reference.replace(/^[^/]*[.:][^/]*\/|^localhost\//, '') : '')
  const [path = '', digest] = as.split('@')
  const colon = path.lastIndexOf(':')
  const name = colon > path.lastIndexOf('/') ? path.slice(0, colon) : path
  const tag = colon > path.lastIndexOf('/') ? path.slice(colon + 1) : digest === undefined ? 'latest' : digest.replace(':', '-').slice(0, 19)
  return { name, tag }
}

async function skopeo(args: string[], what: string, { environment, signal }: Collecting): Promise<{ stdout: Buffer }> {
  const { stdout, stderr, code } = await runProgram('skopeo', { args, env: environment, signal, accept: [0, 1, 2], maxOutput: 16 * 1024 * 1024 })
  if (code === 0) return { stdout }
  if (/manifest unknown|name unknown|not found|no such (file|image)|no descriptor found|NAME_UNKNOWN|MANIFEST_UNKNOWN/i.test(stderr)) {
    throw new DrydockError('DD-COLLECT-006', `expected ${what} in its registry, found none of that name`, 'check the reference: host/name:tag or host/name@sha256:…')
  }
  if (/digest|did not match|Verification of|signature/i.test(stderr) && !/dial tcp|pinging/.test(stderr)) {
    throw new DrydockError('DD-COLLECT-004', `expected every part of ${what} by its digest, found bytes that differ`, 'nothing of it was kept; ask the registry for a clean copy')
  }
  throw new DrydockError('DD-COLLECT-005', `expected the registry to give ${what}, found ${/msg="?(.*?)"?$/m.exec(stderr)?.[1]?.slice(0, 200) ?? 'a failure'}`, 'check the network, the reference and `skopeo login`, then run the command again: what was fetched is kept')
}

function mediaTypeOf(raw: Buffer, what: string): string {
  const document = parsed(raw, what)
  const told = document['mediaType']
  const type = typeof told === 'string' ? told : 'manifests' in document ? INDEXES[0]! : MANIFESTS[0]!
  if (![...INDEXES, ...MANIFESTS].includes(type)) throw new DrydockError('DD-COLLECT-013', `expected an OCI or Docker v2 manifest for ${what}, found ${type}`, 'convert the image: skopeo copy --format oci')
  return type
}

function parsed(raw: Buffer, what: string): Record<string, unknown> {
  try {
    return JSON.parse(raw.toString('utf8')) as Record<string, unknown>
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-013', `expected the manifest of ${what} as JSON, found something else`, 'look at the registry or proxy that answered', { cause })
  }
}

/** What a manifest names. A layer with `urls` lies elsewhere and would be missing inside. */
function children(raw: Buffer, mediaType: string, what: string): { manifests: Descriptor[]; others: Descriptor[] } {
  if (INDEXES.includes(mediaType)) return { manifests: checkShape(ImageIndex, parsed(raw, what), `index of ${what}`).manifests, others: [] }
  const { config, layers } = checkShape(ImageManifest, parsed(raw, what), `manifest of ${what}`)
  const foreign = [config, ...layers].find(({ urls, mediaType: type }) => (urls ?? []).length > 0 || type.includes('foreign') || type.includes('nondistributable'))
  if (foreign !== undefined) throw new DrydockError('DD-COLLECT-013', `expected every layer of ${what} in its registry, found a foreign layer ${foreign.digest}`, 'build the image with its layers inside: inside the air gap nothing else can be reached')
  return { manifests: [], others: [config, ...layers] }
}

/** True when the workspace holds the whole tree, so that nothing has to be fetched. */
async function isComplete(root: Descriptor, raw: Buffer, collecting: Collecting): Promise<boolean> {
  const { workspace } = collecting
  const { manifests, others } = children(raw, root.mediaType, root.digest)
  for (const { digest } of others) if ((await workspace.present(parseDigest(digest))) === undefined) return false
  for (const child of manifests) {
    if ((await workspace.present(parseDigest(child.digest))) === undefined) return false
    if (!(await isComplete(child, await readFile(workspace.blobPath(parseDigest(child.digest))), collecting))) return false
  }
  return true
}

/** Takes manifests, configs and layers into the workspace, each by the digest that its parent gives. Root first, then as named. */
async function keepTree(root: Descriptor, raw: Buffer, folder: string, what: string, collecting: Collecting): Promise<ItemBlob[]> {
  const found = new Map<Digest, ItemBlob>()
  const counts = new Map<string, number>()
  const add = ({ digest, size, mediaType }: Descriptor, role: 'manifest' | 'config' | 'layer') => {
    const count = (counts.get(role) ?? 0) + 1
    counts.set(role, count)
    found.set(parseDigest(digest), { name: role === 'layer' || count > 1 ? `${role}-${count}` : role, digest, size, mediaType })
  }
  await collecting.workspace.put(raw)
  add(root, 'manifest')
  const visit = async (parent: Descriptor, bytes: Buffer): Promise<void> => {
    const { manifests, others } = children(bytes, parent.mediaType, what)
    for (const [index, child] of others.entries()) {
      await keepBlob(child, folder, what, collecting)
      if (!found.has(parseDigest(child.digest))) add(child, index === 0 ? 'config' : 'layer')
    }
    for (const child of manifests) {
      await keepBlob(child, folder, what, collecting)
      if (found.has(parseDigest(child.digest))) continue
      add(child, 'manifest')
      await visit(child, await readFile(collecting.workspace.blobPath(parseDigest(child.digest))))
    }
  }
  await visit(root, raw)
  return [...found.values()]
}

async function keepBlob(descriptor: Descriptor, folder: string, what: string, { workspace }: Collecting): Promise<void> {
  const digest = parseDigest(descriptor.digest)
  const size = (await workspace.present(digest)) ?? (await fromCopy(digest, folder, what, workspace))
  if (size !== descriptor.size) throw new DrydockError('DD-COLLECT-004', `expected ${descriptor.digest} of ${what} with ${descriptor.size} bytes, found ${size}`, 'the manifest contradicts itself: have the image built again')
}

/** skopeo's `dir:` names blobs by their hex digits and the manifests below an index `<hex>.manifest.json`. */
async function fromCopy(digest: Digest, folder: string, what: string, workspace: Collecting['workspace']): Promise<number> {
  for (const name of [hexOf(digest), `${hexOf(digest)}.manifest.json`]) {
    try {
      return (await workspace.keep(`${digest} of ${what}`, createReadStream(join(folder, name), { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>, { algorithm: 'sha256', hex: hexOf(digest) })).size
    } catch (failure) {
      if (!(failure instanceof Error && 'code' in failure && failure.code === 'ENOENT')) throw failure
    }
  }
  throw new DrydockError('DD-COLLECT-013', `expected ${digest} of ${what}, found it missing`, 'have the image pushed again: its registry does not hold all of it')
}
