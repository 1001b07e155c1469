import { readFile } from 'node:fs/promises'
import { text as streamText } from 'node:stream/consumers'
import { parse, YAMLParseError } from 'yaml'
import { checkShape } from '../../bundles/format/check.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import { PoolDocument } from '../model/pool.ts'

/** Aliases let a few bytes stand for gigabytes; a pool has no use for many. */
const ALIASES = 16

/** The pool that a file (YAML or JSON; `-` is standard input) declares, checked here so that the message names the file. @throws DD-CLI-002, DD-CORE-009 */
export async function readPoolFile(path: string): Promise<PoolDocument> {
  const name = path === '-' ? 'standard input' : path
  let document: unknown
  try {
    document = parse(path === '-' ? await streamText(process.stdin) : await readFile(path, 'utf8'), { maxAliasCount: ALIASES, strict: true, uniqueKeys: true })
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new DrydockError('DD-CLI-002', `expected YAML in ${name}, found a mistake at line ${cause.linePos?.[0].line ?? '?'}`, cause.message.split('\n')[0]?.replace(/ at line \d+, column \d+:$/, '') ?? 'correct it', { cause })
    if (isErrno(cause, 'ENOENT') || isErrno(cause, 'EACCES') || isErrno(cause, 'EISDIR')) throw new DrydockError('DD-CLI-002', `expected a pool file at ${path}, found none that can be read`, 'name the file that declares the pool', { cause })
    throw cause
  }
  return checkShape(PoolDocument, document, name)
}
