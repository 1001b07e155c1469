import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
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
  throw refusal(validate.errors ?? [], value, what)
}

function refusal(errors: readonly ErrorObject[], value: unknown, what: string): DrydockError {
  const fault = errors.find(error => error.keyword === 'additionalProperties') ?? errors.find(error => error.keyword === 'anyOf' && wanted(error) !== undefined) ?? errors[0]
  const at = fault?.instancePath ?? ''
  const place = `${what}${at === '' ? '' : ` ${at.slice(1).replaceAll('/', '.')}`}`
  if (fault?.keyword === 'additionalProperties') {
    const known = Object.keys((fault.parentSchema?.['properties'] ?? {}) as object)
    const extra = String((fault.params as { additionalProperty: string }).additionalProperty)
    return new DrydockError('DD-CORE-009', `expected only known fields in ${place}, found ${JSON.stringify(extra)}`, known.length === 0 ? 'remove it' : `remove it, or use one of: ${known.join(', ')}`, { at })
  }
  if (fault?.keyword === 'required') {
    const missing = String((fault.params as { missingProperty: string }).missingProperty)
    return new DrydockError('DD-CORE-009', `expected a field ${JSON.stringify(missing)} in ${place}, found none`, 'add it and try again', { at })
  }
  const found = (JSON.stringify(valueAt(value, at)) ?? 'nothing').slice(0, FOUND_CHARACTERS)
  const words = fault === undefined ? undefined : wanted(fault)
  return new DrydockError('DD-CORE-009', `expected ${place} to be ${words ?? `valid (${fault?.message ?? 'of its schema'})`}, found ${found}`, 'correct the field and try again', { at })
}

const FOUND_CHARACTERS = 120

/** What a schema asks for in people's words; a `description` in the schema says it better than a pattern. */
function wanted({ keyword, parentSchema: schema, params }: ErrorObject): string | undefined {
  const described: unknown = schema?.['description']
  if (typeof described === 'string') return described
  const limit = (params as { limit?: number }).limit
  switch (keyword) {
    case 'type':
      return `of type ${String((params as { type: unknown }).type)}`
    case 'const':
      return JSON.stringify((params as { allowedValue: unknown }).allowedValue)
    case 'enum':
      return `one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}`
    case 'anyOf':
      return oneOf(schema?.['anyOf'])
    case 'minimum':
      return `at least ${limit}`
    case 'maximum':
      return `at most ${limit}`
    case 'minItems':
    case 'maxItems':
      return `a list of at ${keyword === 'minItems' ? 'least' : 'most'} ${limit}`
    case 'minLength':
    case 'maxLength':
      return `${keyword === 'minLength' ? 'at least' : 'at most'} ${limit} characters long`
    case 'uniqueItems':
      return 'a list that names nothing twice'
    default:
      return undefined
  }
}

/** Only where each choice is one word; a choice between documents is told by the first thing that is wrong in it. */
function oneOf(choices: unknown): string | undefined {
  if (!Array.isArray(choices) || !choices.every(choice => typeof choice === 'object' && choice !== null && 'const' in choice)) return undefined
  return `one of ${choices.map((choice: { const: unknown }) => String(choice.const)).join(', ')}`
}

function valueAt(value: unknown, pointer: string): unknown {
  let here = value
  for (const part of pointer.split('/').slice(1)) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return here
}
