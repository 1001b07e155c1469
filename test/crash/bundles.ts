import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { digestOfFile, hexOf, type Digest } from '../../appliance/core/digest.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import type { BuildInput } from '../../bundles/build/build.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { openStore, type Store } from '../../mirror/store/open.ts'
import { npmPackage, wheel, type Shelf } from '../mirror/support/content.ts'
import { bundleOf, fileItems } from '../support/bundles.ts'

/** What a trial imports on top of the first bundle, and how that must end. */
export type Case = { name: CaseName; volumes: string[]; ends: 'imported' | 'rejected' }
export const CASE_NAMES = ['one', 'set', 'delta', 'again', 'conflict'] as const
export type CaseName = (typeof CASE_NAMES)[number]

/** Incompressible and the same each time. */
export function noise(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes)
  for (let at = 0, state = seed | 1; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    out[at] = state >>> 24
  }
  return out
}

/** Everything that a trial can import, made once: real packages, real volumes, signed by these people. */
export async function makeBundles(folder: string, signers: readonly Signer[]): Promise<{ first: string; second(since: BuildInput['since']): Promise<Case[]> }> {
  const blobs = join(folder, 'first/blobs')
  mkdirSync(blobs, { recursive: true })
  const shelf = join(folder, 'shelf')
  const store = await openStore({ dataDir: shelf })
  const made = await packages(shelf, store)
  const taken = (items: readonly Item[], into: string): Item[] => {
    mkdirSync(into, { recursive: true })
    for (const { digest } of items.flatMap(item => item.blobs)) copyFileSync(store.blobs.blobPath(digest as Digest), join(into, hexOf(digest as Digest)))
    return [...items]
  }
  const sorted = (items: readonly Item[]): Item[] => items.toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  const files = { a: 'first', 'docs/b': noise(400_000, 7) }
  const old = [...fileItems(blobs, files), ...taken([made.alpha1, made.beta], blobs)]
  const build = async (name: string, items: readonly Item[], more: Partial<Parameters<typeof bundleOf>[0]> = {}): Promise<string[]> =>
    (await bundleOf({ folder: join(folder, name), items: sorted(items), signers, sequence: 2, ...more })).volumes.map(({ file }) => file)
  const first = (await build('first', old, { sequence: 1 }))[0]!
  return {
    first,
    async second(since) {
      const many = Object.fromEntries(Array.from({ length: 40 }, (_, k) => [`many/${k}`, `file ${k}\n`.repeat(k + 1)]))
      const news = (name: string): Item[] => [...fileItems(join(folder, name, 'blobs'), { ...many, large: noise(1_200_000, 11) }, '2'), ...taken([made.alpha2, made.gamma], join(folder, name, 'blobs'))]
      const again: Item[] = [{ ...made.alpha1, metadata: { ...made.alpha1.metadata, tags: ['latest'] } }, made.otherBeta]
      const cases: Case[] = [
        { name: 'one', volumes: await build('one', news('one')), ends: 'imported' },
        { name: 'set', volumes: await build('set', news('set'), { volumeBytes: 400 * 1024 }), ends: 'imported' },
        { name: 'delta', volumes: await build('delta', [...news('delta'), ...fileItems(join(folder, 'delta/blobs'), files)], { since }), ends: 'imported' },
        { name: 'again', volumes: await build('again', [...taken(again, join(folder, 'again/blobs')), ...fileItems(join(folder, 'again/blobs'), { c: 'third' })]), ends: 'imported' },
        { name: 'conflict', volumes: await build('conflict', fileItems(join(folder, 'conflict/blobs'), { a: 'not the first', d: 'fourth' })), ends: 'rejected' },
      ]
      store.close()
      return cases
    },
  }
}

async function packages(folder: string, store: Store) {
  const shelf: Shelf = {
    folder, store,
    async adopt(path) {
      const { digest, size } = await digestOfFile(path)
      await store.blobs.adopt(path, digest)
      return { digest, size }
    },
  }
  const [alpha1, alpha2, gamma, beta] = [await npmPackage(shelf, 'alpha', '1.0.0'), await npmPackage(shelf, 'alpha', '1.1.0'), await npmPackage(shelf, '@acme/gamma', '1.0.0'), await wheel(shelf, 'beta', '1.0')]
  return { alpha1, alpha2, gamma, beta, otherBeta: await wheel(shelf, 'beta', '1.0', { tag: 'py2-none-any' }) }
}

