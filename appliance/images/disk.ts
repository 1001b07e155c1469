import { createHash } from 'node:crypto'
import { chmod, copyFile, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOfHash, hexOf, parseDigest, type Digest } from '../core/digest.ts'
import { openDurable, syncFolder, writeDurably, type DurableWriter } from '../core/durable-file.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import type { ImageLayer, ImageManifest } from '../model/image.ts'
import { COMMAND_LINE_BYTES, KERNEL_ARGUMENTS } from './baker.ts'
import { placePartitions, roundUp, SECTOR, writeGpt } from './gpt.ts'
import { cacheFolder, dropCached, type PackedBoot, type PackedLayer } from './layer-cache.ts'
import { runStep } from './namespace.ts'
import { imageFolder } from './read-image.ts'
import { makeScratch, type Workshop } from './workshop.ts'

export type NamedLayer = { name: string; key: Digest; packed: PackedLayer }
type Parts = { spec: Digest; layers: readonly NamedLayer[]; boot: { key: Digest; packed: PackedBoot } }

const COPY_BYTES = 1024 * 1024

/** The whole command line; `layer-<n>` in the initrd's script is the n-th root hash here. @throws DD-IMAGE-015 when it is too long. */
export function commandLineOf(layers: readonly PackedLayer[]): string {
  const line = [KERNEL_ARGUMENTS, ...layers.map(layer => `drydock.layer=${layer.verityRoot}.${layer.dataBlocks}`)].join(' ')
  if (line.length >= COMMAND_LINE_BYTES) {
    throw new DrydockError('DD-IMAGE-015', `expected a kernel command line below ${COMMAND_LINE_BYTES} bytes, found ${line.length} for ${layers.length} layers`, 'put several small roles into one role pack')
  }
  return line
}

/** One raw GPT disk: boot partition (FAT: vmlinuz, initrd, cmdline), then the layers; renamed into place when every byte is on the disk. */
export async function assembleImage(workshop: Workshop, { spec, layers, boot }: Parts): Promise<ImageManifest> {
  const { lock, imagesDir } = workshop
  const folder = await makeScratch(workshop, 'image')
  const commandLine = commandLineOf(layers.map(layer => layer.packed))
  await copyBoot(workshop, boot, folder)
  const bootImage = await makeBootPartition(workshop, { commandLine, boot })

  const seed = canonicalJson({ boot: boot.packed, commandLine })
  const { placed, size } = placePartitions([
    { name: 'boot', type: 'boot', size: bootImage.size, seed },
    ...layers.map((layer, index) => ({ name: `layer-${index}`, type: 'layer' as const, size: layer.packed.size, seed: layer.packed.digest })),
  ])
  const { head, tail } = writeGpt({ placed, size })
  const disk = await openDurable(join(folder, 'disk.raw'), { mode: 0o444 })
  try {
    let at = head.length
    await disk.write(head)
    for (const [index, partition] of placed.entries()) {
      await writeZeros(disk, partition.offset - at)
      const layer = layers[index - 1]
      const source = layer === undefined ? bootImage.path : join(cacheFolder(imagesDir, layer.key), 'image')
      const digest = await copyInto(disk, source, partition.size, workshop.signal)
      at = partition.offset + partition.size
      if (layer !== undefined && digest !== layer.packed.digest) await throwAway(imagesDir, layer.key, `layer ${layer.name}`, digest)
    }
    await writeZeros(disk, size - tail.length - at)
    await disk.write(tail)
    const { digest } = await disk.commit()
    const manifest: ImageManifest = {
      format: 'drydock-image/1',
      digest,
      size,
      specDigest: spec,
      lock,
      layers: layers.map(({ name, packed }, index): ImageLayer => ({ name, ...packed, offset: placed[index + 1]!.offset })),
      kernel: { file: 'vmlinuz', digest: boot.packed.kernel },
      initrd: { file: 'initrd', digest: boot.packed.initrd },
      commandLine,
      packages: [...lock.base.debs, ...lock.roles.flatMap(role => role.debs)]
        .map(({ name, version, architecture }) => ({ name, version, architecture }))
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    }
    await writeDurably(join(folder, 'manifest.json'), `${canonicalJson(manifest)}\n`, { mode: 0o444 })
    await chmod(folder, 0o755)
    await rename(folder, imageFolder(imagesDir, digest)).catch((failure: unknown) => {
      // The same bytes are there already, from another lock that differs only in what does not reach the disk.
      if (!isErrno(failure, 'ENOTEMPTY') && !isErrno(failure, 'EEXIST')) throw failure
    })
    await syncFolder(imagesDir)
    return manifest
  } finally {
    await disk.discard()
  }
}

const BOOT_FILES = ['vmlinuz', 'initrd'] as const

/** For direct boot, the same bytes as in the boot partition. */
async function copyBoot(workshop: Workshop, { key, packed }: Parts['boot'], folder: string): Promise<void> {
  for (const file of BOOT_FILES) {
    const digest = await writeDurably(join(folder, file), await readFile(join(cacheFolder(workshop.imagesDir, key), file)), { mode: 0o444 })
    if (digest !== (file === 'vmlinuz' ? packed.kernel : packed.initrd)) await throwAway(workshop.imagesDir, key, file, digest)
  }
}

/** @throws DD-IMAGE-011, always. */
async function throwAway(imagesDir: string, key: Digest, name: string, found: string): Promise<never> {
  await dropCached(imagesDir, key)
  throw new DrydockError('DD-IMAGE-011', `expected the kept ${name} to have its digest, found ${found}`, 'it was thrown away; apply again, and it is made anew')
}

async function makeBootPartition(workshop: Workshop, { commandLine, boot }: { commandLine: string; boot: Parts['boot'] }): Promise<{ path: string; size: number }> {
  const folder = await makeScratch(workshop, 'esp')
  for (const file of BOOT_FILES) await copyFile(join(cacheFolder(workshop.imagesDir, boot.key), file), join(folder, file))
  await writeFile(join(folder, 'cmdline'), `${commandLine}\n`)
  const path = join(folder, 'image')
  const id = hexOf(parseDigest(boot.packed.initrd)).slice(0, 8)
  await runStep('bootdisk', [path, id, ...['cmdline', 'initrd', 'vmlinuz'].map(file => join(folder, file))], workshop)
  const file = await open(path)
  try {
    return { path, size: roundUp((await file.stat()).size, SECTOR) }
  } finally {
    await file.close()
  }
}

async function copyInto(disk: DurableWriter, path: string, size: number, signal: AbortSignal): Promise<Digest> {
  const file = await open(path)
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(COPY_BYTES)
  try {
    let left = size
    while (left > 0) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, Math.min(left, buffer.length))
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      hash.update(chunk)
      await disk.write(chunk)
      left -= bytesRead
    }
    await writeZeros(disk, left)
    return digestOfHash(hash)
  } finally {
    await file.close()
  }
}

async function writeZeros(disk: DurableWriter, count: number): Promise<void> {
  const zeros = Buffer.alloc(Math.min(count, COPY_BYTES))
  for (let left = count; left > 0; left -= zeros.length) await disk.write(left < zeros.length ? zeros.subarray(0, left) : zeros)
}
