import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { DrydockError } from './error.ts'

/**
 * The path of a program, as the kernel would find it by our PATH and then in `more` folders. Asked where another program starts it: that one
 * would only end with a code of its own.
 * @throws DD-CORE-008
 */
export async function findProgram(program: string, debianPackage: string, more: readonly string[] = []): Promise<string> {
  for (const folder of [...(process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter), ...more]) {
    const path = join(folder, program)
    if (folder !== '' && (await access(path, constants.X_OK).then(() => true, () => false))) return path
  }
  throw new DrydockError('DD-CORE-008', `expected the program ${program}, found none`, `install it: apt-get install ${debianPackage}`)
}
