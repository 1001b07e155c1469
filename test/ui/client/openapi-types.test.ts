import t from 'tap'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { typeOf, typesOf } from '../../../ui/client/openapi-types.ts'

const root = join(import.meta.dirname, '../../..')

await t.test('each schema that our document uses becomes the type it means', async t => {
  const cases: [object, string][] = [
    [{ type: 'string' }, 'string'],
    [{ type: 'integer' }, 'number'],
    [{ enum: ['a', 'b'] }, '"a" | "b"'],
    [{ const: 'x' }, '"x"'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'string | null'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } }, '(string | number)[]'],
    [{ type: 'object', patternProperties: { '^.*$': { type: 'integer' } } }, '{ [name: string]: number }'],
    [{ $ref: '#/components/schemas/PoolView' }, 'components[\'schemas\']["PoolView"]'],
    [{ type: 'object', required: ['a'], properties: { a: { type: 'string' }, 'b-c': { type: 'boolean' } } }, '{\n    a: string\n    "b-c"?: boolean\n  }'],
    [{}, 'unknown'],
  ]
  for (const [schema, expected] of cases) t.equal(typeOf(schema), expected, JSON.stringify(schema))
})

await t.test('a path has its parameters, body and answers in the shape that openapi-fetch wants', async t => {
  const text = typesOf({
    paths: { '/a/{id}': { get: { parameters: [{ in: 'path', name: 'id', required: true, schema: { type: 'string' } }, { in: 'query', name: 'q', schema: { type: 'integer' } }], responses: { 200: { content: { 'application/json': { schema: { type: 'boolean' } } } }, default: {} } } } },
  })
  t.match(text, 'parameters: { query?: { q?: number }; header?: never; path: { id: string }; cookie?: never }')
  t.match(text, '200: { headers: { [name: string]: unknown }; content: { "application/json": boolean } }')
  t.match(text, 'default: { headers: { [name: string]: unknown }; content?: never }')
})

await t.test('the client of this checkout checks calls: a wrong path, body or field does not compile', { timeout: 120_000 }, async t => {
  execFileSync(process.execPath, [join(root, 'ui/client/generate.ts')])
  t.match(readFileSync(join(root, 'ui/client/generated/paths.ts'), 'utf8'), '"/api/v1/pools/{name}/apply"')
  const folder = t.testdir()
  const client = `import { createDrydockClient } from ${JSON.stringify(join(root, 'ui/client/client.ts'))}\nconst client = createDrydockClient({ baseUrl: '' })\n`
  const check = (name: string, line: string) => {
    writeFileSync(join(folder, `${name}.ts`), `${client}${line}\n`)
    const flags = ['--noEmit', '--ignoreConfig', '--strict', '--target', 'esnext', '--module', 'nodenext', '--skipLibCheck', '--allowImportingTsExtensions', '--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
    return spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, join(folder, `${name}.ts`)], { cwd: root, encoding: 'utf8' })
  }
  t.ok(existsSync(join(root, 'node_modules/typescript/bin/tsc')))
  const good = check('good', "const { data } = await client.POST('/api/v1/pools/{name}/rollback', { params: { path: { name: 'x' } }, body: { to: 3 } })\nexport const id: string | undefined = data?.id")
  t.equal(good.status, 0, good.stdout)
  t.not(check('path', "export const a = client.GET('/api/v1/pool')").status, 0)
  t.not(check('body', "export const a = client.POST('/api/v1/pools/{name}/rollback', { params: { path: { name: 'x' } }, body: { to: 'three' } })").status, 0)
  t.not(check('field', "const { data } = await client.GET('/api/v1/pools')\nexport const a = data?.[0]?.nmae").status, 0)
})
