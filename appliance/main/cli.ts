import { Command, CommanderError, Help } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { DrydockError, isErrno } from '../core/error.ts'
import { ERRORS } from '../core/errors/table.ts'
import { nearest } from '../core/nearest.ts'
import { outputOf, printFailure } from '../cli/output.ts'
import { reached, usageError } from './usage.ts'
import { NOUNS, type Noun, type VerbTable } from './verbs.ts'

/** Exit code of a program that was ended by Ctrl-C (128 + SIGINT). */
const INTERRUPTED = 130

const words = process.argv.slice(2)
const json = words.includes('--json')
/** What commander says of an option; which ones cannot be left out, it does not say. */
const HELP = new Help()

process.stdout.on('error', (failure: Error) => {
  if (isErrno(failure, 'EPIPE')) process.exit(0)
  throw failure
})
process.exitCode = await main()

async function main(): Promise<number> {
  const program = newProgram()
  try {
    await loadVerbs(program, words.find(word => !word.startsWith('-')))
    await program.parseAsync(words, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (failure) {
    if (failure instanceof CommanderError) {
      if (failure.exitCode === 0) return 0
      const { command, rest } = reached(program, words)
      return printFailure(usageError(failure, command, rest), json)
    }
    if (failure instanceof Error && failure.name === 'AbortError' && process.exitCode === INTERRUPTED) return INTERRUPTED
    return printFailure(failure, json)
  }
}

function newProgram(): Command {
  const program = new Command('drydock')
    .description('One appliance inside an air gap that keeps fleets of CI runners identical.')
    .version(packageJson.version, '--version', 'print the version')
    .option('--json', 'print one JSON object a line, for programs')
    .helpOption('-h, --help', 'show help; also after any noun or verb')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true, optionDescription: option => `${HELP.optionDescription(option)}${option.mandatory ? ' (needed)' : ''}` })
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .showSuggestionAfterError(false)
    .exitOverride()
    .addHelpText('after', '\nExit codes: 0 done · 1 failed · 2 wrong usage · 3 refused by policy · 4 waiting for approval · 5 appliance not reachable\n`drydock explain DD-TRUST-001` tells the story behind a code.')
  return program
}

function addExplain(program: Command): void {
  program
    .command('explain')
    .helpGroup('More:')
    .summary('the long story of an error code')
    .description('Tells what an error code means, how a program should take it, and whether trying again can help.')
    .argument('[code]', 'as it was printed, like DD-CORE-002; without one, all of them')
    .action((code: string | undefined, _options: unknown, command: Command) => explain(code, command))
}

/** Loads the files of the noun that is used; for help every noun stands there with its summary only. */
async function loadVerbs(program: Command, noun: string | undefined): Promise<void> {
  const nouns: Record<string, Noun> = NOUNS
  if (noun === undefined || noun === 'help') {
    for (const [name, { summary, group }] of Object.entries(nouns)) program.command(name).summary(summary).helpGroup(group)
    addExplain(program)
    if (noun === 'help' || words.length === 0 || (json && words.length === 1)) program.help()
    return
  }
  if (noun === 'explain') return addExplain(program)
  const entry = nouns[noun]
  if (entry === undefined) {
    const close = nearest(noun, [...Object.keys(nouns), 'explain'])
    throw new DrydockError(
      'DD-CLI-001',
      `expected a noun that drydock knows, found ${JSON.stringify(noun)}`,
      close === undefined ? '`drydock --help` shows all of them' : `did you mean \`drydock ${[close, ...words.filter(word => word !== noun)].join(' ')}\`? \`drydock --help\` shows all nouns`,
    )
  }
  const [first, ...more] = entry.files
  const table = await load(first)
  if (table === undefined) {
    throw new DrydockError('DD-CLI-004', `expected \`drydock ${noun}\` in this installation, found it left out`, 'run it on the connected side, where the whole package is installed')
  }
  table.register(program)
  const command = program.commands.find(candidate => candidate.name() === noun)
  for (const file of more) if (command !== undefined) (await load(file))?.register(command)
  command?.helpCommand(false)
}

/** undefined when the file is not part of this installation; a fault inside it is a fault. */
async function load(file: string): Promise<VerbTable | undefined> {
  const url = new URL(file, import.meta.url)
  try {
    return (await import(url.href)) as VerbTable
  } catch (failure) {
    if (isErrno(failure, 'ERR_MODULE_NOT_FOUND') && failure instanceof Error && 'url' in failure && failure.url === url.href) return undefined
    throw failure
  }
}

function explain(code: string | undefined, command: Command): void {
  const output = outputOf(command)
  const codes = Object.keys(ERRORS) as (keyof typeof ERRORS)[]
  if (code === undefined) {
    for (const each of codes) {
      output.line(`${each.padEnd(16)} ${ERRORS[each].story}`)
      output.record({ code: each, ...ERRORS[each] })
    }
    return
  }
  const wanted = code.toUpperCase()
  const known: (typeof codes)[number] | undefined = codes.find(each => each === wanted)
  if (known === undefined) {
    const close = nearest(wanted, codes)
    throw new DrydockError('DD-CLI-003', `expected a code that Drydock prints, found ${JSON.stringify(code)}`, close === undefined ? '`drydock explain` lists all of them' : `did you mean ${close}? \`drydock explain\` lists all of them`)
  }
  const { story, exit, http, retryable } = ERRORS[known]
  output.line(known, 'strong')
  output.line(story)
  output.line(`exit code ${exit} · HTTP ${http} · ${retryable ? 'trying again can help' : 'trying again changes nothing'}`)
  output.record({ code: known, story, exit, http, retryable })
}
