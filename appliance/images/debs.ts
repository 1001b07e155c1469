import { parseDigest, type Digest } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import type { CatalogueView } from '../model/catalogue.ts'
import type { LockedDeb } from '../model/lock.ts'
import { compareVersions } from '../../bundles/format/debian-version.ts'

/** A package of the generation, with the control fields that its Packages stanza shows. */
export type Deb = LockedDeb & { digest: Digest; control: string; essential: boolean }

/** The generation's packages of one suite (with its -updates and -security) for one architecture. One digest for each name and version. */
export function debsOf(catalogue: CatalogueView, suite: string, arch: string): Deb[] {
  const debs = new Map<string, Deb>()
  for (const item of catalogue.items('deb')) {
    const { suite: itsSuite, architecture, control } = item.metadata
    const blob = item.blobs[0]
    if (typeof itsSuite !== 'string' || typeof control !== 'string' || blob === undefined) continue
    if (itsSuite !== suite && !itsSuite.startsWith(`${suite}-`) && !itsSuite.startsWith(`${suite}/`)) continue
    if (architecture !== arch && architecture !== 'all') continue
    const key = `${item.name} ${item.version}`
    const known = debs.get(key)
    if (known !== undefined && known.digest <= blob.digest) continue
    const essential = /^Essential:[ \t]*yes[ \t]*$/m.test(control)
    debs.set(key, { name: item.name, version: item.version, architecture, digest: parseDigest(blob.digest), size: blob.size, control: control.trim(), essential })
  }
  return [...debs.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : compareVersions(a.version, b.version)))
}

/** A `Packages` index over these packages; the file names are the digests. */
export function packagesIndex(debs: readonly Deb[]): string {
  return debs.map(deb => `${deb.control}\nFilename: ${deb.digest.slice('sha256:'.length)}.deb\nSize: ${deb.size}\nSHA256: ${deb.digest.slice('sha256:'.length)}\n`).join('\n')
}

/** A dpkg `status` file in which these packages are installed. */
export function statusFile(debs: readonly Deb[]): string {
  return debs.map(deb => `${deb.control}\nStatus: install ok installed\n`).join('\n')
}

/**
 * The kernel package itself: `linux-image-cloud-amd64` is empty and depends on the newest `linux-image-6.1.0-…-cloud-amd64`.
 * @throws DD-IMAGE-003 when either is not in the generation.
 */
export function chooseKernel(name: string, debs: readonly Deb[], where: { generation: number }): Deb {
  const newest = debs.filter(deb => deb.name === name).at(-1)
  if (newest === undefined) throw missing(name, where)
  const depends = /^Depends:(.*)$/m.exec(newest.control)?.[1] ?? ''
  const concrete = /(?:^|[\s,])(linux-image-[0-9][a-z0-9.+-]*)(?:\s*\(=\s*([^)\s]+)\s*\))?/.exec(depends)
  if (concrete === null) return newest
  const [, kernel, version] = concrete
  const found = debs.filter(deb => deb.name === kernel && (version === undefined || deb.version === version)).at(-1)
  if (found === undefined) throw missing(`${kernel}${version === undefined ? '' : ` ${version}`}`, where)
  return found
}

function missing(name: string, where: { generation: number }): DrydockError {
  return new DrydockError('DD-IMAGE-003', `expected Debian package ${name} in generation ${where.generation}, found none`, `bring it in a bundle: put ${name.split(' ')[0]} under apt packages of the collection file`)
}
