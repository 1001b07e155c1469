import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readCollection } from '../../../bundles/collect/collection.ts'

const HEAD = 'apiVersion: drydock/v1\nkind: Collection\nname: test\n'

async function read(folder: string, text: string, environment: NodeJS.ProcessEnv = {}): ReturnType<typeof readCollection> {
  const path = join(folder, 'collection.yaml')
  await writeFile(path, text)
  return await readCollection(path, environment)
}

await t.test('an unknown field is refused and named, wherever it stands', async t => {
  const folder = t.testdir()
  await t.rejects(read(folder, `${HEAD}npn: {}\n`), { code: 'DD-CORE-009', message: /"npn"/ })
  await t.rejects(read(folder, `${HEAD}npm: { project: [a] }\n`), { code: 'DD-CORE-009', message: /"project"/ })
  await t.rejects(read(folder, `${HEAD}files: [{ path: a, mode: 1 }]\n`), { code: 'DD-CORE-009', message: /"mode"/ })
})

await t.test('what is not YAML, or says a thing twice, is refused with the line', async t => {
  const folder = t.testdir()
  await t.rejects(read(folder, `${HEAD}npm: [`), { code: 'DD-COLLECT-001', message: /line \d/ })
  await t.rejects(read(folder, `${HEAD}npm: {}\nnpm: {}\n`), { code: 'DD-COLLECT-001', message: /line 5/ })
})

await t.test('a file that is not there is refused', async t => {
  await t.rejects(readCollection(join(t.testdir(), 'none.yaml'), {}), { code: 'DD-COLLECT-001' })
})

await t.test('aliases cannot make a small file large', async t => {
  await t.rejects(read(t.testdir(), `${HEAD}roles: &a [x]\nrolePacks: *a\n`), /.*/)
})

await t.test('paths are relative to the file, and a variable is taken from the environment', async t => {
  const folder = t.testdir()
  const text = `${HEAD}npm: { projects: [web] }\nfiles: [{ path: ../x }]\noci: [{ reference: '\${HOST}/a:1' }]\n`
  t.match(await read(folder, text, { HOST: 'registry.invalid' }), { npm: { projects: [join(folder, 'web')] }, files: [{ path: join(folder, '../x') }], oci: [{ reference: 'registry.invalid/a:1' }] })
  await t.rejects(read(folder, text), { code: 'DD-COLLECT-014', message: /HOST/ })
})
