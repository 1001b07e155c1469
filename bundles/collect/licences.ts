import { spdxExpression } from '../format/licence.ts'
import type { Item } from '../format/item.ts'

/** Claims in one item: the classifiers of a wheel are the longest list there is, and nobody reads more. */
const CLAIMS = 50

type Licences = Pick<Item, 'licences' | 'licenceClaims'>

/**
 * Sorts what upstream wrote into SPDX expressions and mere claims (`BSD`, `SEE LICENSE IN …`, a classifier). Nothing is guessed: a
 * text that is no SPDX expression stays a claim, even when everybody knows what is meant.
 */
export function licencesFrom(texts: readonly unknown[]): Licences {
  const words = [...new Set(texts.flatMap(text => (typeof text === 'string' && text.trim() !== '' ? [text.trim().replace(/\s+/g, ' ')] : [])))]
  const licences = words.filter(text => text.length <= 512 && spdxExpression(text) !== undefined)
  const claims = words.filter(text => !licences.includes(text)).map(text => text.slice(0, 512)).slice(0, CLAIMS)
  return { ...(licences.length === 0 ? {} : { licences }), ...(claims.length === 0 ? {} : { licenceClaims: claims }) }
}

/** Texts that all count together: one that is no SPDX makes all of them claims, because the rest alone would say too little. */
export function allOrClaims(texts: readonly string[]): Licences {
  const sorted = licencesFrom(texts)
  if (sorted.licenceClaims === undefined) return sorted
  return { licenceClaims: [...new Set(texts)].map(text => text.slice(0, 512)).slice(0, CLAIMS) }
}

/** package.json's `license`, and the forms that npm stopped taking: an object, a list of objects. */
export function npmLicences(manifest: Record<string, unknown>): Licences {
  const old = manifest['licenses']
  const typed = (value: unknown) => (typeof value === 'object' && value !== null && 'type' in value ? value.type : value)
  return licencesFrom([typed(manifest['license']), ...(Array.isArray(old) ? old.map(typed) : [typed(old)])])
}

/**
 * METADATA of a wheel: `License-Expression` (PEP 639) is SPDX by definition. Before it there were `License`, in anybody's words, and
 * trove classifiers, which are claims.
 */
export function wheelLicences(header: string): Licences {
  const all = (name: string) => [...header.matchAll(new RegExp(`^${name}: (.+)$`, 'gim'))].map(match => match[1]!.trim())
  const expression = all('License-Expression')
  if (expression.length > 0) return licencesFrom(expression)
  // Whole licence texts have been put into this field; their first line stands for them.
  return licencesFrom([...all('License').filter(text => text !== 'UNKNOWN'), ...all('Classifier').filter(text => text.startsWith('License :: '))])
}
