/**
 * Turns an OpenAPI 3.1 document into the `paths` and `components` types that openapi-fetch wants. openapi-typescript does the same, but needs
 * the compiler's JavaScript API, which TypeScript 7 does not have. Only what our own document uses is understood; anything else is `unknown`.
 */
export type OpenApi = { paths?: Record<string, unknown>; components?: { schemas?: Record<string, unknown> } }

type Schema = { [key: string]: unknown }

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const

export function typesOf(document: object): string {
  const { paths = {}, components = {} } = document as OpenApi
  const schemas = Object.entries(components.schemas ?? {}).map(([name, schema]) => `    ${key(name)}: ${typeOf(schema, 3)}`)
  const rows = Object.entries(paths).map(([path, item]) => `  ${key(path)}: ${pathType(asSchema(item))}`)
  return [
    '// Made by `node ui/client/generate.ts` from the OpenAPI document. Changes here are lost.',
    'export interface components {', '  schemas: {', ...schemas, '  }', '}',
    'export interface paths {', ...rows, '}', '',
  ].join('\n')
}

function pathType(item: Schema): string {
  const rows = METHODS.map(method => `    ${item[method] === undefined ? `${method}?: never` : `${method}: ${operationType(asSchema(item[method]))}`}`)
  return ['{', '    parameters: { query?: never; header?: never; path?: never; cookie?: never }', ...rows, '  }'].join('\n')
}

function operationType(operation: Schema): string {
  const parameters = Array.isArray(operation['parameters']) ? operation['parameters'].map(asSchema) : []
  const places = (['query', 'header', 'path', 'cookie'] as const).map(place => {
    const mine = parameters.filter(parameter => parameter['in'] === place)
    if (mine.length === 0) return `${place}?: never`
    const required = mine.some(parameter => parameter['required'] === true)
    return `${place}${required ? '' : '?'}: { ${mine.map(one => `${key(String(one['name']))}${one['required'] === true ? '' : '?'}: ${typeOf(one['schema'], 5)}`).join('; ')} }`
  })
  const body = operation['requestBody'] === undefined ? 'requestBody?: never' : bodyType(asSchema(operation['requestBody']))
  const responses = Object.entries(asSchema(operation['responses'])).map(([status, response]) => {
    const content = asSchema(response)['content']
    return `        ${/^\d+$/.test(status) ? status : key(status)}: { headers: { [name: string]: unknown }; content${content === undefined ? '?: never' : `: ${contentType(asSchema(content))}`} }`
  })
  return ['{', `      parameters: { ${places.join('; ')} }`, `      ${body}`, '      responses: {', ...responses, '      }', '    }'].join('\n')
}

function bodyType(body: Schema): string {
  return `requestBody${body['required'] === true ? '' : '?'}: { content: ${contentType(asSchema(body['content']))} }`
}

function contentType(content: Schema): string {
  return `{ ${Object.entries(content).map(([media, value]) => `${key(media)}: ${typeOf(asSchema(value)['schema'], 5)}`).join('; ')} }`
}

/** One JSON Schema as a TypeScript type. */
export function typeOf(input: unknown, depth = 1): string {
  const schema = asSchema(input)
  const reference = schema['$ref']
  if (typeof reference === 'string') return `components['schemas'][${JSON.stringify(reference.split('/').at(-1))}]`
  if ('const' in schema) return JSON.stringify(schema['const'])
  if (Array.isArray(schema['enum'])) return union(schema['enum'].map(value => JSON.stringify(value)))
  const choices = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(choices)) return union(choices.map(choice => typeOf(choice, depth)))
  if (Array.isArray(schema['allOf'])) return schema['allOf'].map(part => typeOf(part, depth)).join(' & ') || 'unknown'
  const { type } = schema
  if (Array.isArray(type)) return union(type.map(one => typeOf({ ...schema, type: one }, depth)))
  if (type === 'string') return 'string'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'boolean' || type === 'null') return type
  if (type === 'array') return `(${typeOf(schema['items'], depth)})[]`
  if (type === 'object' || schema['properties'] !== undefined) return objectType(schema, depth)
  return 'unknown'
}

function objectType(schema: Schema, depth: number): string {
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const pad = '  '.repeat(depth)
  const fields = Object.entries(asSchema(schema['properties'])).map(([name, field]) => `${pad}  ${key(name)}${required.includes(name) ? '' : '?'}: ${typeOf(field, depth + 1)}`)
  if (fields.length > 0) return ['{', ...fields, `${pad}}`].join('\n')
  // A record: TypeBox writes it as one pattern for every name.
  const patterns = Object.values(asSchema(schema['patternProperties']))
  const values = patterns[0] ?? schema['additionalProperties']
  return typeof values === 'object' ? `{ [name: string]: ${typeOf(values, depth)} }` : schema['additionalProperties'] === false ? '{ [name: string]: never }' : '{ [name: string]: unknown }'
}

const union = (types: string[]) => [...new Set(types)].join(' | ') || 'never'
const key = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))
const asSchema = (value: unknown): Schema => (typeof value === 'object' && value !== null ? (value as Schema) : {})
