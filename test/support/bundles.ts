import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { buildBundle, type Built } from '../../bundles/build/index.ts'
import type { BuildInput } from '../../bundles/build/build.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import type { Trust } from '../../bundles/format/trust.ts'
import { makeKey, parsePublicKey, secretKeySigner, type PublicKey } from '../../bundles/openpgp/index.ts'

/** A person with a key of their own, for tests that sign real things with throwaway keys. */
export type Person = { name: string; secret: string; public: string; revocation: string; key: PublicKey; signer: Signer }

/** A minute ago, so that a signature made now is never in the future of a test's clock. */
export async function person(name: string, created: Date = new Date(Date.now() - 60_000)): Promise<Person> {
  const made = await makeKey({ name, created })
  const signer = await secretKeySigner({ armored: made.secret, what: name, clock: { now: () => new Date() } })
  return { name, secret: made.secret, public: made.public, revocation: made.revocation, key: await parsePublicKey(made.public, name), signer }
}

export function trustOf(people: readonly Pick<Person, 'key' | 'name' | 'public'>[], release = people.length): Trust {
  const keys = people.map(({ name, key, public: publicKey }) => ({ fingerprint: key.fingerprint, keySha256: key.keySha256, publicKey, name }))
  const all = keys.map(key => key.fingerprint)
  return { version: 1, keys, roles: { root: { threshold: 1, keys: all }, release: { threshold: release, keys: all }, recall: { threshold: 1, keys: all } } }
}

/** One item of kind `file` for each name; its bytes go to `blobFolder`. */
export function fileItems(blobFolder: string, files: Record<string, Uint8Array | string>, version = '1'): Item[] {
  mkdirSync(blobFolder, { recursive: true })
  const items = Object.entries(files).map(([path, bytes]): Item => {
    const digest = digestOf(bytes)
    writeFileSync(join(blobFolder, hexOf(digest)), bytes)
    return { kind: 'file', name: path, version, metadata: { path }, blobs: [{ name: 'content', digest, size: Buffer.byteLength(bytes) }], source: `pkg:generic/${path}@${version}` }
  })
  return items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
}

export type BundleSpec = {
  folder: string
  files?: Record<string, Uint8Array | string>
  items?: Item[]
  signers: readonly Signer[]
  sequence?: number
  site?: string
  stream?: string
  epoch?: number
  workspace?: string
  name?: string
  since?: BuildInput['since']
  volumeBytes?: number
  maps?: BuildInput['maps']
  parity?: number
}

/** A small bundle in `folder`, built by the product itself. */
export async function bundleOf(spec: BundleSpec): Promise<Built> {
  const blobFolder = join(spec.folder, 'blobs')
  const items = spec.items ?? fileItems(blobFolder, spec.files ?? { 'hello.txt': 'hello\n', 'docs/second.txt': 'a second file\n' })
  return await buildBundle({
    lock: { format: 'drydock-collection-lock/1', name: spec.name ?? 'demo', created: '2026-01-01T00:00:00Z', items },
    blobFolder,
    sender: { id: spec.workspace ?? 'workspace-1', site: spec.site ?? 'site-a', stream: spec.stream ?? 'demo', epoch: spec.epoch ?? 0, sequence: spec.sequence ?? 1 },
    signers: spec.signers,
    out: join(spec.folder, 'out'),
    ...(spec.since === undefined ? {} : { since: spec.since }),
    ...(spec.maps === undefined ? {} : { maps: spec.maps }),
    ...(spec.volumeBytes === undefined ? {} : { volumeBytes: spec.volumeBytes }),
    ...(spec.parity === undefined ? {} : { parity: spec.parity }),
  })
}
