import { DrydockError } from '../core/error.ts'
import { readNamedFile } from './named-file.ts'

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const BACKSPACES = ['\u007f', '\b']

/** Where a password comes from: a file, else the environment, else the person at the terminal. Never an argument: others can read those. */
export async function passwordFrom(source: { file: string | undefined; variable: string; prompt: string }): Promise<string> {
  if (source.file !== undefined) return await readNamedFile(source.file, 'a password')
  const given = process.env[source.variable] ?? ''
  if (given !== '') return given
  if (!process.stdin.isTTY) {
    throw new DrydockError('DD-CLI-008', `expected the ${source.prompt.replace(/ \(.*$/, '')}, found no terminal to ask at`, `name a file that holds it with ${source.variable === 'DRYDOCK_PASSWORD' ? '--password-file' : '--new-password-file'}, or set ${source.variable}`)
  }
  return await askHidden(source.prompt)
}

/** Reads a line without showing it. */
async function askHidden(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(`${prompt}: `)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  let typed = ''
  try {
    for await (const chunk of stdin as AsyncIterable<string>) {
      for (const key of chunk) {
        if (key === '\r' || key === '\n' || key === CTRL_D) return typed
        if (key === CTRL_C) throw new DrydockError('DD-CORE-007', 'expected a password, found Ctrl-C', 'run the command again')
        typed = BACKSPACES.includes(key) ? typed.slice(0, -1) : typed + key
      }
    }
    return typed
  } finally {
    stdin.setRawMode(false)
    stderr.write('\n')
  }
}
