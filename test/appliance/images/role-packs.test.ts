import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { chooseRoles, parsePack, type Packs } from '../../../appliance/images/packs.ts'

const folder = join(import.meta.dirname, '../../../bundles/roles')
const files = readdirSync(folder).filter(name => name.endsWith('.yaml'))
const packs: Packs = { bases: [], roles: [] }

await t.test('each shipped pack is valid and named for what is in it', async t => {
  for (const file of files) {
    const pack = parsePack(readFileSync(join(folder, file), 'utf8'), file)
    const name = pack.kind === 'Base' ? pack.base : pack.role
    const suffix = pack.arch === 'amd64' ? '.yaml' : `-${pack.arch}.yaml`
    t.ok(file === `${name}${suffix}` || (file.startsWith(`${name}-`) && file.endsWith(suffix) && pack.version.startsWith(file.slice(name.length + 1, -suffix.length))), file)
    if (pack.kind === 'Role') packs.roles.push({ pack, digest: digestOf(file) })
  }
})

await t.test('what a shipped role requires is shipped too', async t => {
  for (const { pack } of packs.roles) t.doesNotThrow(() => chooseRoles([...pack.requires, `${pack.role}-${pack.version}`], packs, { generation: 0, arch: pack.arch }), `${pack.role} for ${pack.arch}`)
})
