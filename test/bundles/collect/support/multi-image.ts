import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf, hexOf } from '../../../../appliance/core/digest.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
type Descriptor = { mediaType: string; digest: string; size: number }

export type MultiImage = { layout: string; index: string; amd64: string; arm64: string; attestation: string; sbom: string; /** Tag → digest, for the registry. */ tags: ReadonlyMap<string, string>; signatureTag: string; layers: { amd64: string; arm64: string } }

/** An OCI layout with one image for two platforms (one layer of their own and one in common), what BuildKit attests, an SBOM by subject and a cosign signature. */
export async function writeMultiImage(layout: string): Promise<MultiImage> {
  const blobs = join(layout, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const keep = async (mediaType: string, content: Buffer | object): Promise<Descriptor> => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const digest = digestOf(bytes)
    await writeFile(join(blobs, hexOf(digest)), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const layer = async (text: string) => await keep('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(text.repeat(2000)))
  const manifest = async (config: Descriptor, layers: Descriptor[], more: object = {}) => await keep(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers, ...more })
  const common = await layer('in common ')
  const image = async (architecture: string) => {
    const own = await layer(`for ${architecture} `)
    const config = await keep('application/vnd.oci.image.config.v1+json', { architecture, os: 'linux', config: { Labels: { 'org.opencontainers.image.licenses': 'MIT' } }, rootfs: { type: 'layers', diff_ids: [] } })
    return { own, manifest: await manifest(config, [common, own]) }
  }
  const [amd64, arm64] = [await image('amd64'), await image('arm64')]
  const attested = await keep('application/vnd.oci.image.config.v1+json', { architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } })
  const attestation = await manifest(attested, [await keep('application/vnd.in-toto+json', { predicateType: 'https://slsa.dev/provenance/v0.2' })])
  const index = await keep(INDEX, {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [
      { ...amd64.manifest, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm64.manifest, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...attestation, platform: { os: 'unknown', architecture: 'unknown' }, annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': arm64.manifest.digest } },
    ],
  })
  const empty = await keep('application/vnd.oci.empty.v1+json', {})
  const sbom = await manifest(empty, [await keep('application/spdx+json', { spdxVersion: 'SPDX-2.3' })], { artifactType: 'application/spdx+json', subject: index })
  const referrers = await keep(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [{ ...sbom, artifactType: 'application/spdx+json' }] })
  const signature = await manifest(await keep('application/vnd.oci.image.config.v1+json', { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] } }), [await keep('application/vnd.dev.cosign.simplesigning.v1+json', { critical: { image: { 'docker-manifest-digest': index.digest } } })])
  const named = (descriptor: Descriptor, name: string) => ({ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': name } })
  const hex = index.digest.slice('sha256:'.length)
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named(index, '1'), named(signature, `sha256-${hex}.sig`), sbom] }))
  return {
    layout,
    index: index.digest,
    amd64: amd64.manifest.digest,
    arm64: arm64.manifest.digest,
    attestation: attestation.digest,
    sbom: sbom.digest,
    tags: new Map([['1', index.digest], [`sha256-${hex}`, referrers.digest], [`sha256-${hex}.sig`, signature.digest]]),
    signatureTag: `sha256-${hex}.sig`,
    layers: { amd64: amd64.own.digest, arm64: arm64.own.digest },
  }
}

/** Pushes the whole layout as any client would: blobs, then manifests, then indexes, then the tags. skopeo will not push an index that it cannot parse whole. */
export async function pushLayout(layout: string, registry: string, repository: string, tags: ReadonlyMap<string, string>): Promise<void> {
  const folder = join(layout, 'blobs/sha256')
  const blobs = await Promise.all((await readdir(folder)).map(async hex => ({ digest: `sha256:${hex}`, bytes: await readFile(join(folder, hex)) })))
  const typeOf = (bytes: Buffer): string | undefined => (bytes[0] === 0x7b ? (JSON.parse(bytes.toString()) as { mediaType?: string }).mediaType : undefined)
  const put = async (place: string, bytes: Buffer, mediaType: string) => {
    const { ok, status } = await fetch(`${registry}/v2/${repository}/manifests/${place}`, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': mediaType } })
    if (!ok) throw new TypeError(`expected the registry to take ${place}, found HTTP ${status}`)
  }
  for (const { digest, bytes } of blobs) {
    const { headers } = await fetch(`${registry}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const place = new URL(headers.get('location') ?? '', registry)
    place.searchParams.set('digest', digest)
    const { ok, status } = await fetch(place, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': 'application/octet-stream' } })
    if (!ok) throw new TypeError(`expected the registry to take ${digest}, found HTTP ${status}`)
  }
  for (const wanted of [MANIFEST, INDEX]) {
    for (const { digest, bytes } of blobs) if (typeOf(bytes) === wanted) await put(digest, bytes, wanted)
  }
  for (const [tag, digest] of tags) {
    const { bytes } = blobs.find(blob => blob.digest === digest)!
    await put(tag, bytes, typeOf(bytes) ?? MANIFEST)
  }
}
