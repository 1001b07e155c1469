import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DrydockError } from '../../appliance/core/error.ts'
import { volumeName } from '../format/manifest-file.ts'
import { shardBytes } from '../format/parity.ts'
import { rebuildFiles } from '../parity/index.ts'
import type { BuiltVolume } from './build.ts'
import { checkVolume } from './check-volume.ts'
import { shardsOf, type Survey } from './survey.ts'

export type RepairOptions = {
  /** The folder for what is rebuilt. Without it a damaged file is replaced, and a missing one comes to stand beside the others. */
  out?: string
  /** Lost parity volumes are rebuilt too; without them the set imports, but bears no further loss. Default: true. */
  parity?: boolean
  signal?: AbortSignal | undefined
  progress?: (done: number, total: number) => void
}

/**
 * Rebuilds what is missing or damaged of a set, byte for byte: every entry must have its signed digest before its volume gets a name.
 * @returns the volumes that were written, read back; none when the set was whole
 * @throws DD-BUNDLE-020 when too little is left, DD-BUNDLE-021 when a file changed since it was surveyed
 */
export async function repairSet(survey: Survey, options: RepairOptions = {}): Promise<(BuiltVolume & { number: number })[]> {
  const { manifest, index, head, indexParts } = survey.first
  const damaged = survey.volumes.filter(({ why }) => why !== undefined)
  const wanted = [...survey.missing, ...damaged.map(({ number }) => number)].filter(number => options.parity !== false || number <= manifest.volumes.length).toSorted((a, b) => a - b)
  if (wanted.length === 0) return []
  const fileOf = (number: number): string => {
    const own = survey.volumes.find(volume => volume.number === number)?.file
    return own !== undefined && options.out === undefined ? own : join(options.out ?? dirname(survey.volumes[0]!.file), volumeName(manifest, number))
  }
  const total = shardBytes(manifest.volumes) * wanted.length
  let done = 0
  const rebuilt = await rebuildFiles(
    { manifest, index, head: { ...head, parts: indexParts }, shards: shardsOf(survey), wanted: new Map(wanted.map(number => [number, fileOf(number)])) },
    { signal: options.signal, progress: bytes => options.progress?.(Math.min((done += bytes), total), total) },
  )
  for (const { file } of rebuilt) await checkVolume(file, { signal: options.signal, expected: head.manifest })
  return rebuilt
}

/** Files as they are named, and for a folder the bundle files in it. @throws DD-BUNDLE-017 */
export async function setFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const path of paths) {
    if ((await stat(path).catch(() => undefined))?.isDirectory() !== true) files.push(path)
    else {
      const found = (await readdir(path, { withFileTypes: true })).filter(entry => entry.isFile() && entry.name.endsWith('.drydock') && !entry.name.startsWith('.'))
      if (found.length === 0) throw new DrydockError('DD-BUNDLE-017', `expected bundle files in ${path}, found none`, 'they are named NAME-SEQUENCE.v1-of-1.drydock; name the folder that holds them')
      files.push(...found.map(entry => join(path, entry.name)).toSorted())
    }
  }
  return files
}
