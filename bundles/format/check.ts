import { Ajv, type ValidateFunction } from 'ajv'
import type Type from 'typebox'
import { DrydockError } from '../../appliance/core/error.ts'

const ajv = new Ajv({ strict: false, allErrors: false, verbose: true, $data: false })
const compiled = new WeakMap<object, ValidateFunction>()

/**
 * Checks a value against one of our own schemas (never a schema from outside) and returns it typed.
 * @param what names the document in the message: `pool spec`, `manifest.json`.
 * @throws DD-CORE-009 naming the field, what was expected and what was found.
 */
export function checkShape<S extends Type.TSchema>(schema: S, value: unknown, what: string): Type.Static<S> {
  let validate = compiled.get(schema)
  if (validate === undefined) {
    validate = ajv.compile(schema)
    compiled.set(schema, validate)
  }
  if (validate(value)) return value as Type.Static<S>
  const fault = validate.errors?.find(error => error.keyword === 'additionalProperties') ?? validate.errors?.[0]
  const at = fault?.instancePath ?? ''
  const place = `${what}${at === '' ? '' : ` ${at.slice(1).replaceAll('/', '.')}`}`
  if (fault?.keyword === 'additionalProperties') {
    const known = Object.keys((fault.parentSchema?.['properties'] ?? {}) as object)
    const extra = String((fault.params as { additionalProperty: string }).additionalProperty)
    throw new DrydockError('DD-CORE-009', `expected only known fields in ${place}, found ${JSON.stringify(extra)}`, known.length === 0 ? 'remove it' : `remove it, or use one of: ${known.join(', ')}`, { at })
  }
  const found = JSON.stringify(valueAt(value, at))
  throw new DrydockError('DD-CORE-009', `expected ${place} to be valid (${fault?.message ?? 'of its schema'}), found ${(found ?? 'nothing').slice(0, 120)}`, 'correct the field and try again', { at })
}

function valueAt(value: unknown, pointer: string): unknown {
  let here = value
  for (const part of pointer.split('/').slice(1)) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return here
}
