import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readImage } from '../../../appliance/images/read-image.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import { openWorkspace, type Generation } from './generation.ts'

/**
 * Real content that the demo leaves (DRYDOCK_TEST_CONTENT, see README.md):
 *
 *     workspace/lock.json, workspace/blobs/<hex>    what `bundle collect` brought together
 *     data/images/<hex>/…                           images that the appliance baked from it (may be missing)
 */
export type Content = { generation: Generation; imagesDir: string; images: ImageManifest[] }

export async function openContent(): Promise<Content | undefined> {
  const folder = process.env['DRYDOCK_TEST_CONTENT']
  if (folder === undefined || !existsSync(join(folder, 'workspace/lock.json'))) return undefined
  const imagesDir = join(folder, 'data/images')
  const names = existsSync(imagesDir) ? readdirSync(imagesDir).filter(name => /^[0-9a-f]{64}$/.test(name)) : []
  return { generation: openWorkspace(join(folder, 'workspace')), imagesDir, images: await Promise.all(names.toSorted().map(name => readImage(imagesDir, `sha256:${name}`))) }
}

export const NO_CONTENT = 'needs the demo’s content: DRYDOCK_TEST_CONTENT'

/** What the demo's pool starts with and what it is changed to. */
export const ROLES_BEFORE = ['python-3.11', 'numpy-1.25.2', 'cmake']
export const ROLES_AFTER = ['python-3.11', 'numpy-1.26.0', 'cmake']

export function hasRoles(image: ImageManifest, versions: Record<string, string>): boolean {
  return Object.entries(versions).every(([role, version]) => image.lock.roles.some(locked => locked.role === role && locked.version === version))
}
