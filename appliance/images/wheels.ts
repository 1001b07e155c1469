import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { normalisedName } from '../../bundles/format/pypi-name.ts'
import { parseDigest } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'
import { programEnvironment, runProgram } from '../core/run-program.ts'
import type { BlobSource, CatalogueView } from '../model/catalogue.ts'
import type { LockedFile } from '../model/lock.ts'

/** pip's own resolver over a generation's wheels. */
export type Pip = {
  /**
   * Wheels for these exact pins and all that they depend on, beside those that stand below already.
   * @throws DD-IMAGE-004 when the generation lacks one, DD-IMAGE-006 when a role below brought another version of it.
   */
  closure(pins: readonly string[], below: readonly LockedFile[], what: string): Promise<LockedFile[]>
}

/** Newest glibc of which a wheel may ask, as minor version: Debian 12 has 2.36. */
const GLIBC_MINOR = 36

type Where = { generation: number; arch: string; python: string; signal: AbortSignal }

/** `python` is `3.11`. Markers are judged by the Python that runs pip, which is Debian 12's too. */
export async function openPip(folder: string, catalogue: CatalogueView, blobs: BlobSource, where: Where): Promise<Pip> {
  const links = join(folder, 'wheels')
  await mkdir(links, { recursive: true })
  const wheels = new Map<string, LockedFile>()
  const versions = new Map<string, string[]>()
  for (const item of catalogue.items('pypi')) {
    const name = normalisedName(item.name)
    versions.set(name, [...(versions.get(name) ?? []), item.version])
    for (const blob of item.blobs) {
      if (!blob.name.endsWith('.whl') || wheels.has(blob.name)) continue
      wheels.set(blob.name, { name: blob.name, digest: blob.digest, size: blob.size })
      await symlink(blobs.blobPath(parseDigest(blob.digest)), join(links, blob.name))
    }
  }
  const machine = where.arch === 'amd64' ? 'x86_64' : 'aarch64'
  const platforms = [...Array.from({ length: GLIBC_MINOR - 4 }, (_, index) => `manylinux_2_${GLIBC_MINOR - index}_${machine}`), `manylinux2014_${machine}`, `manylinux2010_${machine}`, `manylinux1_${machine}`, `linux_${machine}`]
  const abi = `cp${where.python.replace('.', '')}`
  const options = [
    '-I', '-m', 'pip', '--isolated', '--disable-pip-version-check', '--no-cache-dir', 'install', '--quiet', '--dry-run', '--ignore-installed', '--no-index', '--find-links', links,
    '--only-binary=:all:', '--target', join(folder, 'target'), '--report', '-', '--implementation', 'cp', '--python-version', where.python,
    ...[abi, 'abi3', 'none'].flatMap(name => ['--abi', name]),
    ...platforms.flatMap(platform => ['--platform', platform]),
  ]

  return {
    async closure(pins, below, what) {
      if (pins.length === 0) return []
      for (const pin of pins) {
        const [name, version] = pin.split('==') as [string, string]
        const known = versions.get(normalisedName(name)) ?? []
        if (!known.includes(version)) {
          throw new DrydockError('DD-IMAGE-004', `expected Python package ${pin}, which ${what} needs, in generation ${where.generation}, found ${known.length === 0 ? 'none' : `only ${known.join(', ')}`}`, `bring ${pin} in a bundle`)
        }
      }
      const constraints = below.map(wheel => wheelName(wheel.name)).map(({ name, version }) => `${name}==${version}`)
      const run = await runProgram('/usr/bin/python3', {
        args: [...options, ...pins, ...constraints],
        env: programEnvironment({ HOME: '/nonexistent', PIP_CONFIG_FILE: '/dev/null', TMPDIR: folder }),
        signal: where.signal,
        accept: [0, 1],
        package: 'python3-pip',
      })
      if (run.code !== 0) throw cannot(run.stderr, pins, constraints, what, where)
      const report = JSON.parse(run.stdout.toString('utf8')) as { install: { download_info: { url: string } }[] }
      const standing = new Set(below.map(wheel => wheel.name))
      return report.install
        .map(({ download_info }) => wheels.get(decodeURIComponent(download_info.url.slice(download_info.url.lastIndexOf('/') + 1)))!)
        .filter(wheel => !standing.has(wheel.name))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

/** `numpy-1.26.0-cp311-….whl` (PEP 427). */
export function wheelName(file: string): { name: string; version: string } {
  const [name, version] = file.split('-') as [string, string]
  return { name: normalisedName(name), version }
}

function cannot(said: string, pins: readonly string[], constraints: readonly string[], what: string, { generation, python }: Where): DrydockError {
  const clash = constraints.find(constraint => pins.some(pin => normalisedName(pin.split('==')[0]!) === constraint.split('==')[0] && pin.split('==')[1] !== constraint.split('==')[1]))
  if (clash !== undefined || /conflicting dependencies|ResolutionImpossible|double requirement/i.test(said)) {
    return new DrydockError('DD-IMAGE-006', `expected the Python packages of ${what} to agree with the roles below, found that they exclude each other (${[...pins, ...constraints].join(', ')})`, 'take versions of the roles that agree')
  }
  const missing = /No matching distribution found for ([^\s(]+)/.exec(said)?.[1] ?? pins.join(', ')
  return new DrydockError('DD-IMAGE-004', `expected a wheel of ${missing} for Python ${python} on Linux, which ${what} needs, in generation ${generation}, found none`, `bring ${missing} in a bundle, as a wheel for this Python`)
}
