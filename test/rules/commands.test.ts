import t from 'tap'
import { Command } from 'commander'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NOUNS, type Noun, type VerbTable } from '../../appliance/main/verbs.ts'

const root = join(import.meta.dirname, '../..')

async function allVerbs(): Promise<Map<string, string[]>> {
  const program = new Command('drydock')
  const loaded = new Set<string>()
  for (const [noun, { files }] of Object.entries<Noun>(NOUNS)) {
    for (const [index, file] of files.entries()) {
      if (loaded.has(file)) continue
      loaded.add(file)
      const table = (await import(join(root, 'appliance/main', file))) as VerbTable
      table.register(index === 0 ? program : program.commands.find(command => command.name() === noun)!)
    }
  }
  return new Map(program.commands.map(command => [command.name(), command.commands.map(verb => verb.name())]))
}

const verbs = await allVerbs()
/** `explain` is made by cli.ts itself. */
verbs.set('explain', [])

/** A command as messages, hints and READMEs write it: in backticks, in parentheses, or behind a colon. */
const COMMAND = /(?<=`|\(|: )drydock ([a-z]+)(?: ([a-z]+)\b)?/g

function unknownCommands(text: string): string[] {
  return [...text.matchAll(COMMAND)].flatMap(([command, noun = '', verb]) => {
    const known = verbs.get(noun)
    return known !== undefined && (known.length === 0 || verb === undefined || known.includes(verb)) ? [] : [command]
  })
}

await t.test('what this test looks for is found', async t => {
  t.same(unknownCommands('do: drydock image list, or `drydock image paint`, then `drydock polish` (drydock pool apply x)'), ['drydock image paint', 'drydock polish'])
})

await t.test('every command that a message, a hint or a README tells people to run is there', async t => {
  const files = ['README.md', ...['appliance', 'bundles', 'importer', 'mirror', 'ui/app/src'].flatMap(top => globSync(`${top}/**/*.{ts,tsx,md}`, { cwd: root, exclude: ['**/node_modules/**'] }))]
  t.same(files.flatMap(file => unknownCommands(readFileSync(join(root, file), 'utf8')).map(command => `${file}: ${command}`)), [])
})

await t.test('the summary of a noun names only verbs that it has', async t => {
  const wrong = Object.entries<Noun>(NOUNS).flatMap(([noun, { summary }]) => {
    const named = /: ([a-z, …]+)$/.exec(summary)?.[1]?.split(/,? /) ?? []
    return named.filter(word => word !== '…' && !(verbs.get(noun) ?? []).includes(word)).map(word => `${noun}: ${word}`)
  })
  t.same(wrong, [])
})
