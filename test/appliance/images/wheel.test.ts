import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { installWheels } from '../../../appliance/images/wheel.ts'
import { openZip } from '../../../appliance/images/zip.ts'
import { SmallGeneration } from './generation.ts'

await t.test('a wheel is installed into its role’s own prefix: modules, scripts, entry points and a .pth', async t => {
  const folder = t.testdir({ root: {} })
  const generation = new SmallGeneration(join(folder, 'blobs'))
  await generation.wheel('tool', '1.2', {
    files: {
      'tool/__init__.py': 'def main():\n    print("from the entry point")\n',
      'tool-1.2.data/scripts/tool-script': '#!python\nprint("script")\n',
      'tool-1.2.data/purelib/extra.py': 'x = 1\n',
      'tool-1.2.dist-info/entry_points.txt': '[console_scripts]\ntool = tool:main\n[other]\nignored = tool:main\n',
    },
  })
  const root = join(folder, 'root')
  await installWheels([generation.pathOf('tool')], { role: 'tool', version: '1.2' }, root)
  const prefix = join(root, 'opt/roles/tool-1.2')
  t.equal(readFileSync(join(root, 'usr/lib/python3/dist-packages/drydock-tool.pth'), 'utf8'), '/opt/roles/tool-1.2\n')
  t.ok(existsSync(join(prefix, 'extra.py')))
  t.same(readdirSync(join(prefix, 'bin')).sort(), ['tool', 'tool-script'])
  t.match(readFileSync(join(prefix, 'bin/tool-script'), 'utf8'), /^#!\/usr\/bin\/python3\n/)
  t.equal(lstatSync(join(prefix, 'bin/tool')).mode & 0o777, 0o755)
  t.ok(lstatSync(join(root, 'usr/local/bin/tool')).isSymbolicLink())
  const { stdout } = await runProgram('/usr/bin/python3', { args: [join(prefix, 'bin/tool')], env: { PYTHONPATH: prefix, PYTHONDONTWRITEBYTECODE: '1' } })
  t.equal(stdout.toString(), 'from the entry point\n')
})

await t.test('a wheel whose names would leave the folder is refused before anything is written', async t => {
  for (const name of ['../evil.py', '/etc/evil', 'a/../../evil', 'a\\evil']) {
    const folder = t.testdir()
    const generation = new SmallGeneration(join(folder, 'blobs'))
    await generation.wheel('evil', '1', { files: { [name]: 'x' } })
    mkdirSync(join(folder, 'root'))
    await t.rejects(installWheels([generation.pathOf('evil')], { role: 'evil', version: '1' }, join(folder, 'root')), { code: 'DD-IMAGE-013' }, name)
    t.notOk(existsSync(join(folder, 'root/opt')))
    t.notOk(existsSync(join(folder, 'evil.py')))
  }
})

await t.test('a zip that is cut short, or lies about a size, is refused', async t => {
  const folder = t.testdir({ 'cut.whl': 'PK', 'empty.whl': '' })
  for (const file of ['cut.whl', 'empty.whl']) await t.rejects(openZip(join(folder, file)), { code: 'DD-IMAGE-013' })
})
