import { readFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf, parseDigest, type Digest } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { Item, ItemBlob } from '../../format/item.ts'
import type { Collecting } from '../collecting.ts'
import type { OciWant } from '../collection.ts'
import { allOrStop } from '../fetch/limiter.ts'
import { licencesFrom } from '../licences.ts'
import { purl } from '../purl.ts'
import { isIndex, parsedJson, parseManifest, type Descriptor } from './descriptor.ts'
import { openLayout } from './layout.ts'
import { machineSays } from './machine.ts'
import { chosenManifests, isPlatform } from './platform.ts'
import { openRegistry, otherBytes } from './registry.ts'
import { parseReference } from './registry-name.ts'
import { openBySkopeo } from './skopeo.ts'
import type { FoundManifest, ImageSource } from './source.ts'

/** A signature of an SBOM of an image, and no further. */
const REFERRER_DEPTH = 3
const COSIGN_TAGS = ['sig', 'att', 'sbom']
const LICENCES = 'org.opencontainers.image.licenses'

/** Images by reference, layout or archive, unchanged: every digest and size is checked from the manifest down. */
export async function collectImages(wants: readonly OciWant[], collecting: Collecting): Promise<Item[]> {
  const running = new Map<Digest, Promise<void>>()
  return (await allOrStop(collecting.signal, signal => wants.map(want => collectImage(want, running, { ...collecting, signal })))).flat()
}

/** One item for the image with what refers to it by subject, and one for each of cosign's tags. */
async function collectImage(want: OciWant, running: Map<Digest, Promise<void>>, collecting: Collecting): Promise<Item[]> {
  const { meter } = collecting
  meter.planned(1)
  const resolved = meter.resolving()
  const { name, tag } = nameAndTag(want)
  const what = `image ${name}:${tag}`
  const source = await openSource(want, what, collecting)
  try {
    const root = await source.root()
    const platforms = 'platform' in want && want.platform !== undefined ? [want.platform].flat() : undefined
    const tree = await treeOf(root, source, platforms, what, collecting)
    const extra: Item[] = []
    if ('referrers' in want && want.referrers === true) {
      await addReferrers(tree, source, what, collecting)
      for (const { digest } of tree.manifests.values()) extra.push(...(await cosignItems(parseDigest(digest), name, source, running, collecting)))
    }
    const fetched = fetchBlobs(tree, source, running, what, collecting)
    resolved()
    await fetched
    await refuseOtherPlatform(root, tree, platforms, what, collecting)
    meter.finished(1)
    return [await itemOf(name, tag, root, tree, collecting), ...extra]
  } finally {
    await source.close()
  }
}

async function openSource(want: OciWant, what: string, collecting: Collecting): Promise<ImageSource> {
  if ('layout' in want) return await openLayout(want.layout, want.tag, what)
  if ('archive' in want) return await openArchive(want.archive, want.tag, what, collecting)
  if ('dockerArchive' in want) return await openBySkopeo({ dockerArchive: want.dockerArchive, tag: want.tag }, what, collecting)
  const reference = parseReference(want.reference)
  const machine = await machineSays(reference, collecting.environment)
  if (machine.leaveToSkopeo) return await openBySkopeo({ docker: want.reference }, what, collecting)
  return await openRegistry(reference, machine, what, collecting.signal, collecting.environment)
}

/** An OCI archive is a layout in a tar: GNU tar takes out what the layout may hold, into a folder of its own. */
async function openArchive(archive: string, tag: string | undefined, what: string, collecting: Collecting): Promise<ImageSource> {
  const folder = await mkdtemp(join(await collecting.workspace.cacheFolder('oci'), 'copy-'))
  const remove = async () => await rm(folder, { recursive: true, force: true })
  try {
    const { code } = await runProgram('tar', {
      args: ['-x', '-f', archive, '-C', folder, '--no-same-owner', '--no-same-permissions', '--wildcards', '--', '*index.json', '*blobs/sha256/*'],
      signal: collecting.signal,
      accept: [0, 1, 2],
    })
    if (code !== 0) throw new DrydockError('DD-COLLECT-006', `expected an OCI archive (tar) at ${archive}, found none that can be read`, 'check the path; what `docker save` writes is named with dockerArchive')
    const layout = await openLayout(folder, tag, what)
    return { ...layout, close: remove }
  } catch (failure) {
    await remove()
    throw failure
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

/** What travels: manifests, root first, and the configs and layers that they name, both in the order in which they are named. */
type Tree = { manifests: Map<Digest, Descriptor>; parts: Map<Digest, Descriptor & { role: 'config' | 'layer' }>; order: Digest[]; annotations: Record<string, string> }

async function treeOf(root: FoundManifest, source: ImageSource, platforms: readonly string[] | undefined, what: string, collecting: Collecting): Promise<Tree> {
  const tree: Tree = { manifests: new Map(), parts: new Map(), order: [], annotations: {} }
  await addManifest({ mediaType: root.mediaType, digest: root.digest, size: root.bytes.length }, root.bytes, tree, source, platforms, what, collecting)
  return tree
}

async function addManifest(descriptor: Descriptor, bytes: Buffer, tree: Tree, source: ImageSource, platforms: readonly string[] | undefined, what: string, collecting: Collecting): Promise<void> {
  const digest = parseDigest(descriptor.digest)
  if (tree.manifests.has(digest)) return
  if (digestOf(bytes) !== digest) throw otherBytes(what, digest, digestOf(bytes))
  if (bytes.length !== descriptor.size) throw otherSize(descriptor, bytes.length, what)
  await collecting.workspace.put(bytes)
  tree.manifests.set(digest, descriptor)
  tree.order.push(digest)
  const { manifests, others, annotations } = parseManifest(bytes, descriptor.mediaType, what)
  tree.annotations = { ...annotations, ...tree.annotations }
  for (const [index, part] of others.entries()) {
    const name = parseDigest(part.digest)
    if (tree.parts.has(name)) continue
    tree.parts.set(name, { ...part, role: index === 0 ? 'config' : 'layer' })
    tree.order.push(name)
  }
  for (const child of chosenManifests(manifests, platforms, what)) {
    await addManifest(child, await manifestBytes(child, source, collecting), tree, source, platforms, what, collecting)
  }
}

/** From the workspace when it is there: a second collect asks for nothing but the tag. */
async function manifestBytes(descriptor: Descriptor, source: ImageSource, { workspace, meter }: Collecting): Promise<Buffer> {
  const digest = parseDigest(descriptor.digest)
  if ((await workspace.present(digest)) !== undefined) return await readFile(workspace.blobPath(digest))
  const bytes = await source.manifest(descriptor)
  meter.received(bytes.length)
  return bytes
}

async function addReferrers(tree: Tree, source: ImageSource, what: string, collecting: Collecting): Promise<void> {
  let subjects = [...tree.manifests.keys()]
  for (let depth = 0; depth < REFERRER_DEPTH && subjects.length > 0; depth++) {
    const before = new Set(tree.manifests.keys())
    for (const subject of subjects) {
      // In the order of their digests: a registry may list them in any.
      for (const referrer of (await source.referrers(subject)).toSorted((a, b) => (a.digest < b.digest ? -1 : 1))) {
        const bytes = await manifestBytes(referrer, source, collecting)
        if (parseManifest(bytes, referrer.mediaType, what).subject !== subject) {
          throw new DrydockError('DD-COLLECT-013', `expected ${referrer.digest} to name ${subject} of ${what} as its subject, found that it does not`, 'look at the registry that lists it, or leave out referrers')
        }
        await addManifest(referrer, bytes, tree, source, undefined, what, collecting)
      }
    }
    subjects = [...tree.manifests.keys()].filter(digest => !before.has(digest))
  }
}

/** Signatures, attestations and SBOMs as cosign has kept them since before OCI 1.1: under tags made of the digest. */
async function cosignItems(digest: Digest, name: string, source: ImageSource, running: Map<Digest, Promise<void>>, collecting: Collecting): Promise<Item[]> {
  const items: Item[] = []
  for (const suffix of COSIGN_TAGS) {
    const tag = `sha256-${hexOf(digest)}.${suffix}`
    const found = await source.tagged(tag)
    if (found === undefined) continue
    const what = `image ${name}:${tag}`
    const tree = await treeOf(found, source, undefined, what, collecting)
    await fetchBlobs(tree, source, running, what, collecting)
    items.push(await itemOf(name, tag, found, tree, collecting))
  }
  return items
}

async function fetchBlobs(tree: Tree, source: ImageSource, running: Map<Digest, Promise<void>>, what: string, collecting: Collecting): Promise<void> {
  const { workspace, download, meter } = collecting
  const keep = async (part: Descriptor, digest: Digest) => {
    const coming = meter.coming()
    try {
      const here = await workspace.present(digest)
      if (here === undefined) coming.left(part.size)
      const size = here ?? (await download(async () => await source.blob(part, workspace, coming))).size
      if (size !== part.size) throw otherSize(part, size, what)
    } finally {
      coming.end()
    }
  }
  await allOrStop(collecting.signal, () => [...tree.parts].map(async ([digest, part]) => {
    // Two images with one base fetch its layers once.
    const work = running.get(digest) ?? keep(part, digest)
    running.set(digest, work)
    await work
  }))
}

function otherSize(descriptor: Descriptor, found: number, what: string): DrydockError {
  return new DrydockError('DD-COLLECT-004', `expected ${descriptor.digest} of ${what} with ${descriptor.size} bytes, found ${found}`, 'the manifest contradicts itself: have the image built again')
}

/** An image without an index says in its config what it is for. */
async function refuseOtherPlatform(root: FoundManifest, tree: Tree, platforms: readonly string[] | undefined, what: string, { workspace }: Collecting): Promise<void> {
  const [config] = [...tree.parts.values()]
  if (platforms === undefined || isIndex(root.mediaType) || config === undefined) return
  const { os, architecture, variant } = parsedJson(await readFile(workspace.blobPath(parseDigest(config.digest))), `${what} (config)`)
  const is = { os: String(os), architecture: String(architecture), ...(typeof variant === 'string' ? { variant } : {}) }
  if (!platforms.some(platform => isPlatform(platform, is))) {
    throw new DrydockError('DD-COLLECT-006', `expected ${what} for ${platforms.join(' or ')}, found an image for ${is.os}/${is.architecture} alone`, 'correct `platform` in the collection file, or leave it out')
  }
}

async function itemOf(name: string, tag: string, root: FoundManifest, tree: Tree, { workspace }: Collecting): Promise<Item> {
  const counts = new Map<string, number>()
  const blobs = tree.order.map((digest): ItemBlob => {
    const part = tree.parts.get(digest)
    const { size, mediaType } = part ?? tree.manifests.get(digest)!
    const role = part?.role ?? 'manifest'
    const count = (counts.get(role) ?? 0) + 1
    counts.set(role, count)
    return { name: role === 'layer' || count > 1 ? `${role}-${count}` : role, digest, size, mediaType }
  })
  const config = [...tree.parts.values()].find(({ role, size }) => role === 'config' && size < 1024 * 1024)
  const labels = config === undefined ? undefined : await labelsOf(workspace.blobPath(parseDigest(config.digest)))
  return {
    kind: 'oci',
    name,
    version: tag,
    metadata: { mediaType: root.mediaType, digest: root.digest },
    blobs,
    source: purl('oci', [name.split('/').at(-1)!], root.digest, { tag }),
    upstream: { digest: root.digest },
    ...licencesFrom([tree.annotations[LICENCES], labels?.[LICENCES]]),
  }
}

async function labelsOf(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const { config } = JSON.parse(await readFile(path, 'utf8')) as { config?: { Labels?: Record<string, unknown> } }
    return config?.Labels
  } catch {
    return undefined
  }
}
