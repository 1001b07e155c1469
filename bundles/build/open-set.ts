import { DrydockError } from '../../appliance/core/error.ts'
import { volumeName } from '../format/manifest-file.ts'
import type { VolumeHead } from '../archive/index.ts'
import { openBundle, type OpenedVolume } from './check-volume.ts'

/** Any volumes of one bundle, in their order, and the names of those that are not among them. */
export type OpenedSet = { volumes: (OpenedVolume & { file: string })[]; missing: string[]; close(): Promise<void> }

/** Opens volumes in any order. @throws DD-BUNDLE-019 when they are not of one bundle, or one is named twice */
export async function openSet(files: readonly string[], judge?: (head: VolumeHead) => Promise<unknown>): Promise<OpenedSet> {
  const volumes: OpenedSet['volumes'] = []
  const close = async (): Promise<void> => {
    for (const volume of volumes) await volume.close()
  }
  try {
    for (const file of files) {
      const opened = { file, ...(await openBundle(file, judge)) }
      volumes.push(opened)
      checkOfOne(volumes[0]!, opened)
      checkOnce(volumes)
    }
  } catch (failure) {
    await close()
    throw failure
  }
  volumes.sort((a, b) => a.number - b.number)
  const { manifest } = volumes[0]!
  const here = new Set(volumes.map(({ number }) => number))
  return { volumes, missing: manifest.volumes.flatMap((_volume, k) => (here.has(k + 1) ? [] : [volumeName(manifest, k + 1)])), close }
}

/** @throws DD-BUNDLE-019 when the last of them is one of the others too */
export function checkOnce(volumes: readonly { file: string; number: number }[]): void {
  const last = volumes.at(-1)
  const twin = volumes.find(other => other !== last && other.number === last?.number)
  if (last !== undefined && twin !== undefined) throw notOne(`each volume once, found volume ${last.number} in ${twin.file} and ${last.file}`, 'leave one of the two out; `drydock bundle inspect` shows each')
}

type OfSet = Pick<OpenedSet['volumes'][number], 'file' | 'manifest' | 'manifestDigest'>

/** @throws DD-BUNDLE-019 */
export function checkOfOne(first: OfSet, other: OfSet): void {
  if (first.manifestDigest === other.manifestDigest) return
  const named = ({ file, manifest }: OfSet): string => `${file} (${manifest.stream}, sequence ${manifest.sequence}, made ${manifest.created.slice(0, 10)})`
  const twice = first.manifest.stream === other.manifest.stream && first.manifest.sequence === other.manifest.sequence ? ', which was built twice with other content' : ''
  throw notOne(`volumes of one bundle, found those of two: ${named(first)} and ${named(other)}${twice}`, 'name the files of one of them in place of the folder')
}

function notOne(what: string, hint: string): DrydockError {
  return new DrydockError('DD-BUNDLE-019', `expected ${what}`, hint)
}
