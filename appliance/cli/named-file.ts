import { readFile } from 'node:fs/promises'
import { DrydockError, isErrno } from '../core/error.ts'

/** The text of a file that an option names, without the line end of its last line. @throws DD-CLI-002 */
export async function readNamedFile(path: string, what: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (cause) {
    const found = isErrno(cause, 'ENOENT') ? 'no such file' : isErrno(cause, 'EACCES') ? 'one that you may not read' : 'something that cannot be read'
    throw new DrydockError('DD-CLI-002', `expected ${what} in the file ${path}, found ${found}`, 'name a file that holds it and nothing else', { cause })
  }
}
