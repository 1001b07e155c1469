import type { Command, CommanderError } from 'commander'
import { DrydockError } from '../core/error.ts'
import { nearest } from '../core/nearest.ts'

/**
 * What commander says about a command line, in our words: what was expected, what was found, the nearest thing that exists.
 * @param command the deepest command that the line reached, @param rest the words behind it.
 */
export function usageError(failure: CommanderError, command: Command, rest: readonly string[]): DrydockError {
  const name = fullName(command)
  const look = `\`${name} --help\` shows what it takes`
  const quoted = (/'([^']*)'/.exec(failure.message)?.[1] ?? '').replace(/=.*$/s, '')
  switch (failure.code) {
    case 'commander.unknownCommand':
    case 'commander.help': {
      const verbs = command.commands.map(verb => verb.name()).filter(verb => verb !== 'help')
      const found = rest.find(word => !word.startsWith('-'))
      const close = found === undefined ? undefined : nearest(found, verbs)
      return new DrydockError(
        'DD-CLI-001',
        `expected a verb of ${name} (${verbs.join(', ')}), found ${found === undefined ? 'none' : JSON.stringify(found)}`,
        close === undefined ? look : `did you mean \`${name} ${close}\`? ${look}`,
      )
    }
    case 'commander.unknownOption': {
      const options = command.options.map(option => option.long).filter(option => option !== undefined)
      const close = nearest(quoted, options)
      return new DrydockError('DD-CLI-001', `expected only options that ${name} knows, found ${JSON.stringify(quoted)}`, close === undefined ? look : `did you mean ${close}? ${look}`)
    }
    case 'commander.missingArgument':
      return new DrydockError('DD-CLI-001', `expected <${quoted}> behind ${name}, found nothing`, look)
    case 'commander.excessArguments':
      return new DrydockError('DD-CLI-001', `expected ${usageOf(command)}, found more words than that`, look)
    case 'commander.invalidArgument': {
      const [, option = '', found = '', wanted = ''] = /'(?:-\w, )?([^' ]+)[^']*' argument '([^']*)' is invalid\. (?:expected )?(.*)$/s.exec(failure.message.replace(/Allowed choices are (.*)\.$/s, 'one of $1')) ?? []
      return new DrydockError('DD-CLI-001', `expected ${wanted} behind ${option}, found ${JSON.stringify(found)}`, look)
    }
    case 'commander.optionMissingArgument':
      return new DrydockError('DD-CLI-001', `expected a value behind ${JSON.stringify(quoted)}, found none`, look)
    case 'commander.missingMandatoryOptionValue':
      return new DrydockError('DD-CLI-001', `expected ${name} with ${quoted}, found it without`, look)
    default:
      return new DrydockError('DD-CLI-001', `expected ${usageOf(command)}, found something else: ${failure.message.replace(/^error: /, '').split('\n')[0] ?? ''}`, look)
  }
}

/** The deepest command that these words reach, and the words behind it. */
export function reached(program: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
  let command = program
  for (const [index, word] of words.entries()) {
    if (word.startsWith('-')) continue
    const next = command.commands.find(verb => verb.name() === word || verb.aliases().includes(word))
    if (next === undefined) return { command, rest: words.slice(index) }
    command = next
  }
  return { command, rest: [] }
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}

function usageOf(command: Command): string {
  return `${fullName(command)} ${command.usage()}`.trim()
}
