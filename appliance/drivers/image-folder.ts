import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkShape } from '../../bundles/format/check.ts'
import { digestOfFile, type Digest } from '../core/digest.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import type { ImageOnDisk } from '../model/hypervisor.ts'
import { ImageManifest } from '../model/image.ts'

/** The most an image manifest may take, bytes. A lock of 2,000 packages is about 1 MiB. */
const MANIFEST_BYTES = 32 * 1024 * 1024

/** @throws DD-HV-003 when the folder does not hold the manifest of this image. */
export async function readManifest(image: ImageOnDisk): Promise<ImageManifest> {
  const path = join(image.folder, 'manifest.json')
  const found = await stat(path).catch((failure: unknown) => {
    throw unusable(`a file ${path}`, isErrno(failure, 'ENOENT') ? 'none' : 'one that cannot be read', failure)
  })
  if (found.size > MANIFEST_BYTES) throw unusable(`at most ${MANIFEST_BYTES} bytes in ${path}`, `${found.size}`)
  const manifest = checkShape(ImageManifest, JSON.parse(await readFile(path, 'utf8')), `image manifest ${path}`)
  if (manifest.digest !== image.digest) throw unusable(`image ${image.digest} in ${image.folder}`, manifest.digest)
  return manifest
}

/** Hashes disk, kernel and initrd. Reads every byte: about a second for a 500 MB disk. @throws DD-HV-003 naming the file. */
export async function verifyBytes(image: ImageOnDisk, manifest: ImageManifest): Promise<void> {
  const files: [string, Digest][] = [['disk.raw', image.digest], ['vmlinuz', manifest.kernel.digest], ['initrd', manifest.initrd.digest]]
  await Promise.all(
    files.map(async ([file, expected]) => {
      const path = join(image.folder, file)
      const { digest } = await digestOfFile(path).catch((failure: unknown) => {
        throw unusable(`a file ${path}`, isErrno(failure, 'ENOENT') ? 'none' : 'one that cannot be read', failure)
      })
      if (digest !== expected) throw unusable(`${path} to be ${expected}`, digest)
    }),
  )
}

function unusable(expected: string, found: string, cause?: unknown): DrydockError {
  return new DrydockError('DD-HV-003', `expected ${expected}, found ${found}`, 'remove its folder, then `drydock pool apply` bakes it again from the same lock', { cause })
}
