import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkShape } from '../../bundles/format/check.ts'
import { digestOfFile, hexOf, parseDigest } from '../core/digest.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import { ImageManifest } from '../model/image.ts'

/** `images/<hex>`: disk.raw, vmlinuz, initrd, manifest.json. */
export function imageFolder(imagesDir: string, digest: string): string {
  return join(imagesDir, hexOf(parseDigest(digest)))
}

/** @throws DD-IMAGE-012 when there is no such image. */
export async function readImage(imagesDir: string, digest: string): Promise<ImageManifest> {
  try {
    return checkShape(ImageManifest, JSON.parse(await readFile(join(imageFolder(imagesDir, digest), 'manifest.json'), 'utf8')), `manifest of image ${digest}`)
  } catch (failure) {
    if (!isErrno(failure, 'ENOENT')) throw failure
    throw new DrydockError('DD-IMAGE-012', `expected image ${digest}, found none`, '`drydock image list` shows what is there; `pool apply` bakes what is missing', { cause: failure })
  }
}

/** Reads the whole image again. @throws DD-IMAGE-011 naming the file that is no longer what the manifest says. */
export async function verifyImage(imagesDir: string, digest: string): Promise<ImageManifest> {
  const manifest = await readImage(imagesDir, digest)
  const files = [
    ['disk.raw', manifest.digest],
    ['vmlinuz', manifest.kernel.digest],
    ['initrd', manifest.initrd.digest],
  ] as const
  for (const [file, expected] of files) {
    const found = await digestOfFile(join(imageFolder(imagesDir, digest), file))
    if (found.digest !== expected) {
      throw new DrydockError('DD-IMAGE-011', `expected ${file} of image ${digest.slice(7, 19)} to be ${expected}, found ${found.digest}`, 'delete this image and apply the pool again; it is baked from the same lock to the same bytes')
    }
  }
  return manifest
}
