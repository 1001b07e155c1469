import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RescanView } from '../../../appliance/model/rescan.ts'
import type { ImportRecord } from '../../../bundles/format/import-record.ts'
import { bundleOf, person, type Person, trustOf } from '../../support/bundles.ts'
import { definitionsItem } from '../../support/eicar.ts'
import { openSite, type Site, type SiteOptions } from '../../support/import-site.ts'

const HOUR = 3_600_000
const daysAgo = (days: number): string => `${new Date(Date.now() - days * 24 * HOUR - HOUR).toISOString().slice(0, 19)}Z`
export const [V1, V2] = [daysAgo(5), daysAgo(1)]
/** Definitions that know nothing that is here. */
export const KNOWS_NOTHING = { 'other.hdb': `${'0'.repeat(32)}:1:Other\n` }
const people = [await person('Ana')]
export const [ana] = people as [Person]

export type T = Parameters<typeof openSite>[0] & { testdir(): string }
export const siteOf = async (t: T, more: Partial<SiteOptions> = {}): Promise<Site> => await openSite(t, { trust: trustOf(people), scan: { clamav: 'auto' }, ...more })

export async function bring(site: Site, sequence: number, files: Record<string, string | Uint8Array>): Promise<ImportRecord> {
  return await site.importBundle((await bundleOf({ folder: join(site.folder, `made-${sequence}`), files, signers: [ana.signer], sequence })).file)
}

export async function bringDefinitions(site: Site, sequence: number, files: Record<string, string>, built: string): Promise<ImportRecord> {
  const folder = join(site.folder, `made-${sequence}`)
  return await site.importBundle((await bundleOf({ folder, items: [definitionsItem(join(folder, 'blobs'), files, built)], signers: [ana.signer], sequence })).file)
}

let requests = 0
/** Asked for by a person, to its end. */
export async function rescan(site: Site): Promise<RescanView> {
  const { id } = await site.rescans.start({ actor: 'olga', idempotencyKey: `rescan-${++requests}` })
  await site.operations.settled(id)
  return site.rescans.list().find(each => each.id === id)!
}

/** As verdaccio keeps it: what `npm publish` sent. */
export function publish(site: Site, name: string, version: string, tarball: Uint8Array, file = `${name}-${version}.tgz`): string {
  const folder = join(site.folder, 'site/npm/@site', name)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, file)
  writeFileSync(path, tarball)
  const packument = join(folder, 'package.json')
  const { versions } = (existsSync(packument) ? JSON.parse(readFileSync(packument, 'utf8')) : { versions: {} }) as { versions: object }
  writeFileSync(packument, JSON.stringify({ versions: { ...versions, [version]: { dist: { tarball: `http://appliance/@site/${name}/-/${name}-${version}.tgz` } } } }))
  return path
}
