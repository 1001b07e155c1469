import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { checkShape } from '../../bundles/format/check.ts'
import { BasePack, RolePack } from '../../bundles/format/role.ts'
import { parseDigest, type Digest } from '../core/digest.ts'
import { asDrydockError, DrydockError } from '../core/error.ts'
import { nearest } from '../core/nearest.ts'
import type { BlobSource, CatalogueView } from '../model/catalogue.ts'
import { compareVersions } from '../../bundles/format/debian-version.ts'
import { roleMatches } from './role-word.ts'

export type Found<Pack> = { pack: Pack; digest: Digest }
export type Packs = { bases: Found<BasePack>[]; roles: Found<RolePack>[] }

/** Every pack of the generation. What a pack is called is what stands in it, not what its item is called. @throws DD-IMAGE-008 */
export async function readPacks(catalogue: CatalogueView, blobs: BlobSource): Promise<Packs> {
  const packs: Packs = { bases: [], roles: [] }
  for (const item of catalogue.items('role')) {
    const digest = parseDigest(item.blobs[0]!.digest)
    const pack = parsePack(await readFile(blobs.blobPath(digest), 'utf8'), `role pack ${item.name} ${item.version}`)
    if (pack.kind === 'Base') packs.bases.push({ pack, digest })
    else packs.roles.push({ pack, digest })
  }
  return packs
}

/** @throws DD-IMAGE-008 when it is no YAML, or neither a role nor a base. */
export function parsePack(text: string, what: string): RolePack | BasePack {
  try {
    const document: unknown = parse(text, { maxAliasCount: 0 })
    const isBase = typeof document === 'object' && document !== null && 'kind' in document && document.kind === 'Base'
    return isBase ? checkShape(BasePack, document, what) : checkShape(RolePack, document, what)
  } catch (failure) {
    const cause = asDrydockError(failure)
    const found = cause.code === 'DD-CORE-009' ? cause.message.replace(/^expected /, '') : 'something else'
    throw new DrydockError('DD-IMAGE-008', `expected ${what} to be YAML of a role or a base, found that it breaks: ${found}`, 'correct the pack on the connected side and bring it in a new bundle', { cause: failure })
  }
}

/** `debian-12` → the base pack. @throws DD-IMAGE-002 */
export function chooseBase(word: string, packs: Packs, where: { generation: number; arch: string }): Found<BasePack> {
  const fitting = packs.bases.filter(({ pack }) => pack.arch === where.arch && roleMatches(word, { role: pack.base, version: pack.version }))
  const [best] = fitting.toSorted((a, b) => compareVersions(b.pack.version, a.pack.version))
  if (best !== undefined) return best
  const known = packs.bases.filter(({ pack }) => pack.arch === where.arch).map(({ pack }) => `${pack.base}-${pack.version}`)
  throw new DrydockError('DD-IMAGE-002', `expected base ${word} in generation ${where.generation}, found ${listed(known)}`, `use one of these, or bring role pack ${word} with its packages in a bundle`)
}

/** Each word of the spec → its newest role pack, in the spec's order. @throws DD-IMAGE-001, DD-IMAGE-005, DD-IMAGE-006 */
export function chooseRoles(words: readonly string[], packs: Packs, where: { generation: number; arch: string }): Found<RolePack>[] {
  const chosen = words.map(word => chooseRole(word, packs, where))
  chosen.forEach(({ pack }, index) => {
    const twin = chosen.findIndex(other => other.pack.role === pack.role)
    if (twin < index) throw new DrydockError('DD-IMAGE-006', `expected one version of role ${pack.role}, found ${words[twin]} and ${words[index]}`, 'keep one of the two')
    checkRequires(index, words, chosen)
    for (const word of pack.conflicts) {
      const other = chosen.findIndex((role, place) => place !== index && roleMatches(word, role.pack))
      if (other >= 0) throw new DrydockError('DD-IMAGE-006', `expected no role that ${pack.role} ${pack.version} excludes, found ${words[other]}`, `leave out ${words[index]} or ${words[other]}`)
    }
  })
  return chosen
}

function chooseRole(word: string, packs: Packs, where: { generation: number; arch: string }): Found<RolePack> {
  const fitting = packs.roles.filter(({ pack }) => pack.arch === where.arch && roleMatches(word, pack))
  const [best] = fitting.toSorted((a, b) => compareVersions(b.pack.version, a.pack.version))
  if (best !== undefined) return best
  const here = packs.roles.filter(({ pack }) => pack.arch === where.arch)
  const names = here.flatMap(({ pack }) => [pack.role, `${pack.role}-${pack.version}`])
  const sameRole = here.filter(({ pack }) => word.startsWith(`${pack.role}-`)).map(({ pack }) => `${pack.role}-${pack.version}`)
  const close = sameRole.length > 0 ? listed(sameRole) : nearest(word, names)
  throw new DrydockError(
    'DD-IMAGE-001',
    `expected role ${word} in generation ${where.generation}, found ${close === undefined ? 'none like it' : sameRole.length > 0 ? close : `none; the nearest is ${close}`}`,
    `correct the name, or bring role pack ${word} with its packages in a bundle`,
  )
}

function checkRequires(index: number, words: readonly string[], chosen: readonly Found<RolePack>[]): void {
  const { pack } = chosen[index]!
  for (const word of pack.requires) {
    const place = chosen.findIndex(role => roleMatches(word, role.pack))
    if (place >= 0 && place < index) continue
    if (place < 0) throw new DrydockError('DD-IMAGE-005', `expected ${word}, which ${words[index]} requires, found no such role in the spec`, `put ${word} before ${words[index]}`)
    throw new DrydockError('DD-IMAGE-005', `expected ${words[place]} below ${words[index]}, which requires it, found it above`, `put ${words[place]} before ${words[index]}: roles are stacked in the order of the spec`)
  }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : `only ${[...new Set(names)].sort().join(', ')}`
}
