import t from 'tap'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERRORS } from '../../appliance/core/errors/table.ts'
import { FOLDERS } from './import-table.ts'

/** Scratch files that die with their folder or process, and why. */
const MAY_WRITE_SCRATCH: readonly (readonly [string, string])[] = [
  ['appliance/images/apt.ts', "apt's own folder for one resolve or bake; it is deleted with it"],
  ['appliance/images/disk.ts', 'the command line on its way into the boot partition, in the folder of the bake'],
  ['appliance/images/layer-cache.ts', 'a cache: what it holds is hashed each time it is used, and what a power cut has torn is made again'],
  ['appliance/images/wheel.ts', 'files of a wheel on their way into a layer, in the folder of the bake; written as the wheel says, mode by mode'],
  ['importer/scan/clamav.ts', 'a harmless file on which new definitions are tried, in a folder that is removed with the scan'],
  ['importer/scan/sandbox.ts', 'the filter of system calls on its way into bubblewrap, in the folder of the scan'],
  ['importer/scan/view.ts', 'the lists that a scanner reads, in the folder of the scan, which is made anew after a kill'],
  ['appliance/images/workshop.ts', 'inputs of the steps of one bake, in its own folder, which a cut-off bake leaves to the next one to empty'],
]

const root = join(import.meta.dirname, '../..')
const product = ['appliance', 'bundles', 'importer', 'mirror', 'ui/client', 'ui/app'].flatMap(top => globSync(`${top}/**/*.{ts,tsx}`, { cwd: root, exclude: ['**/node_modules/**', '**/generated/**'] }))
const text = new Map(product.map(file => [file, readFileSync(join(root, file), 'utf8')]))

await t.test('each folder has a README of at most a page', async t => {
  for (const folder of FOLDERS) {
    if (!product.some(file => file.startsWith(`${folder}/`))) continue
    const path = join(root, folder, 'README.md')
    if (t.ok(existsSync(path), `${folder}/README.md is there`)) t.ok(readFileSync(path, 'utf8').split('\n').length <= 80, `${folder}/README.md is at most a page`)
  }
})

await t.test('no bare Error is thrown in the product', async t => {
  t.same([...text].filter(([, source]) => /throw new (Error|TypeError|RangeError)\(/.test(source)).map(([file]) => file), [])
})

await t.test('every error code is thrown somewhere, and every code thrown is in the table', async t => {
  const tables = /^appliance\/core\/errors\//
  const thrown = new Set([...text].filter(([file]) => !tables.test(file)).flatMap(([, source]) => source.match(/DD-[A-Z]+-\d{3}/g) ?? []))
  t.same(Object.keys(ERRORS).filter(code => !thrown.has(code)), [], 'codes nobody throws')
  t.same([...thrown].filter(code => !(code in ERRORS)).toSorted(), [], 'codes that are not in the table')
})

await t.test('every code has a story in whole words and an exit code', async t => {
  for (const [code, entry] of Object.entries(ERRORS)) t.ok(entry.story.length > 40 && entry.story.endsWith('.') && entry.exit > 0, code)
})

await t.test('files that must last are written by the durable writer only', async t => {
  const writers = [...text].filter(([file, source]) => /\bwriteFile(Sync)?\(|createWriteStream\(/.test(source) && !file.startsWith('appliance/core/')).map(([file]) => file)
  t.same(writers.filter(file => !MAY_WRITE_SCRATCH.some(([allowed]) => file === allowed)), [])
  t.same(MAY_WRITE_SCRATCH.map(([file]) => file).filter(file => !writers.includes(file)), [], 'exceptions that nobody needs')
})
