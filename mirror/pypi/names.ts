import { normalisedName } from '../../bundles/format/pypi-name.ts'

const FILE = /^[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}\.(whl|tar\.gz|zip)$/

export function isDistributionFile(filename: string): boolean {
  return FILE.test(filename)
}

/** The project a distribution file is of, normalised: a wheel's first field (PEP 427); an sdist's name is what stands before the last `-version`. */
export function projectOf(filename: string): string {
  if (filename.endsWith('.whl')) return normalisedName(filename.split('-', 1)[0] ?? '')
  return normalisedName(filename.replace(/\.(tar\.gz|zip)$/, '').replace(/-[^-]*$/, ''))
}
