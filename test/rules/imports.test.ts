import t from 'tap'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { EDGES, EVERYWHERE, FOLDERS } from './import-table.ts'

const root = join(import.meta.dirname, '../..')
const sources = ['appliance', 'bundles', 'importer', 'mirror', 'ui/client', 'ui/app'].flatMap(top => globSync(`${top}/**/*.{ts,tsx}`, { cwd: root, exclude: ['**/node_modules/**', '**/generated/**'] }))
const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g

function importsOf(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map(match => match[1] ?? match[2] ?? match[3] ?? '')
}

function folderOf(file: string): string | undefined {
  return FOLDERS.filter(folder => file.startsWith(`${folder}/`)).toSorted((a, b) => b.length - a.length)[0]
}

const graph = new Map(sources.map(file => [file, importsOf(file).filter(name => name.startsWith('.')).map(name => normalize(join(dirname(file), name)))]))

await t.test('every source file lies in a folder of the table', async t => {
  t.same(sources.filter(file => folderOf(file) === undefined), [])
})

await t.test('no folder imports another but by the table', async t => {
  const broken: string[] = []
  for (const [file, targets] of graph) {
    const from = folderOf(file)
    for (const target of targets) {
      const to = folderOf(target)
      if (from === undefined || from === to || from === 'appliance/main') continue
      if (to !== undefined && (EVERYWHERE as readonly string[]).includes(to) && from !== 'ui/app' && from !== 'ui/client') {
        if (from === 'appliance/core') broken.push(`${file} → ${target}: core stands on Node alone`)
        else if (from === 'bundles/format' && to !== 'appliance/core') broken.push(`${file} → ${target}`)
        continue
      }
      if (!EDGES.some(edge => edge.from === from && edge.to === to)) broken.push(`${file} → ${target}: no edge ${from} → ${to} in test/rules/import-table.ts`)
    }
  }
  t.same(broken, [])
})

await t.test('every edge of the table is in use', async t => {
  const used = new Set([...graph].flatMap(([file, targets]) => targets.map(target => `${folderOf(file)} → ${folderOf(target)}`)))
  t.same(EDGES.map(edge => `${edge.from} → ${edge.to}`).filter(edge => !used.has(edge)), [])
})

await t.test('appliance/core imports Node builtins only', async t => {
  const others = sources.filter(file => file.startsWith('appliance/core/')).flatMap(file => importsOf(file).filter(name => !name.startsWith('.') && !name.startsWith('node:')).map(name => `${file}: ${name}`))
  t.same(others, [])
})

await t.test('each fixed library has one wrapper', async t => {
  const wrappers: Record<string, RegExp> = {
    openpgp: /^bundles\/openpgp\//,
    tar: /^bundles\/archive\//,
    lowdb: /^appliance\/state\//,
    'node-forge': /^appliance\/identity\//,
    verdaccio: /^mirror\/npm\//,
    'node:sqlite': /^(appliance\/(state|telemetry|ci\/sim|drivers\/sim)|mirror\/store)\//,
  }
  const strays = [...graph.keys()].flatMap(file => importsOf(file).filter(name => wrappers[name] !== undefined && !wrappers[name].test(file)).map(name => `${file}: ${name}`))
  t.same(strays, [])
})

await t.test('there is no cycle of files', async t => {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    if (done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  t.same(cycles, [])
})
