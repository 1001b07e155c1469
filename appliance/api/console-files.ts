import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

export type ConsoleFile = { bytes: Buffer; zipped: Buffer | null; type: string; etag: string; immutable: boolean }

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json; charset=utf-8',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
}
/** The console is far smaller; a folder that is not one must not be read into memory. */
const FILE_BYTES = 8 * 1024 * 1024

/**
 * The built console by URL path. Read once into memory: a request can then only ever name a file that was there, whatever it spells.
 * @returns undefined when it has not been built.
 */
export async function readConsole(folder: string): Promise<Map<string, ConsoleFile> | undefined> {
  let entries
  try {
    entries = await readdir(folder, { recursive: true, withFileTypes: true })
  } catch {
    return undefined
  }
  const files = new Map<string, ConsoleFile>()
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)]
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || type === undefined || (await stat(path)).size > FILE_BYTES) continue
    const bytes = await readFile(path)
    const small = type.startsWith('text/') || type.includes('json') || type.includes('svg') ? await promisify(gzip)(bytes, { level: 9 }) : null
    files.set(`/${relative(folder, path)}`, { bytes, zipped: small, type, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`, immutable: /\/assets\//.test(path) })
  }
  return files.has('/index.html') ? files : undefined
}
