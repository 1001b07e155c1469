import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import type { HttpSettings } from '../fetch/http.ts'

/** Where packages come from and how to get there, as npm itself would in that folder. */
export type NpmConfig = HttpSettings & { registryOf(name: string): string }

/**
 * npm's own answer (`npm config list --json`), which has read every npmrc, the environment and the defaults. It keeps credentials
 * to itself, so those are read from the same npmrc files.
 */
export async function npmConfig(folder: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<NpmConfig> {
  const { stdout } = await runProgram('npm', { args: ['config', 'list', '--json'], cwd: folder, env: environment, signal, timeout: 60_000 })
  const config = parsed(stdout)
  const text = (key: string) => (typeof config[key] === 'string' && config[key] !== '' ? config[key] : undefined)
  const registry = text('registry') ?? ''
  const cafile = text('cafile')
  const inline = config['ca']
  const ca = cafile === undefined ? (Array.isArray(inline) ? inline.join('\n') : text('ca')) : await readFile(cafile, 'utf8')
  const files = [join(folder, '.npmrc'), text('userconfig'), text('globalconfig')].filter(path => path !== undefined)
  const credentials = await npmCredentials(files, environment)
  return {
    registryOf: name => withSlash((name.startsWith('@') ? text(`${name.slice(0, name.indexOf('/'))}:registry`) : undefined) ?? registry),
    ...(ca === undefined ? {} : { ca }),
    proxy: {
      HTTP_PROXY: text('proxy') ?? environment['HTTP_PROXY'] ?? environment['http_proxy'],
      HTTPS_PROXY: text('https-proxy') ?? environment['HTTPS_PROXY'] ?? environment['https_proxy'] ?? text('proxy'),
      NO_PROXY: Array.isArray(config['noproxy']) ? config['noproxy'].join(',') : text('noproxy'),
    },
    headersFor: url => authorization(url, credentials),
  }
}

function parsed(stdout: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(stdout.toString('utf8')) as Record<string, unknown>
  } catch (cause) {
    throw new DrydockError('DD-COLLECT-005', 'expected npm to say its configuration as JSON, found something else', 'run `npm config list --json` and correct what it complains of', { cause })
  }
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}

/** `//host/path/:_authToken=…` and its older forms, by `//host/path/`. The nearest file wins. `${NAME}` is the environment's. */
async function npmCredentials(files: readonly string[], environment: NodeJS.ProcessEnv): Promise<Map<string, Map<string, string>>> {
  const all = new Map<string, Map<string, string>>()
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    for (const [, place = '', key = '', raw = ''] of text.matchAll(/^\s*(\/\/[^\s=]+\/):(_authToken|_auth|username|_password)\s*=\s*(.*?)\s*$/gm)) {
      const value = raw.replace(/^"(.*)"$/, '$1').replace(/\$\{([^}]+)\}/g, (whole, name: string) => environment[name] ?? whole)
      const here = all.get(place) ?? new Map<string, string>()
      if (!here.has(key)) here.set(key, value)
      all.set(place, here)
    }
  }
  return all
}

/** The credentials whose address is the longest prefix of the URL's, as npm chooses them. */
function authorization(url: URL, credentials: Map<string, Map<string, string>>): Record<string, string> {
  const address = `//${url.host}${url.pathname}`
  const place = [...credentials.keys()].filter(prefix => address.startsWith(prefix)).toSorted((a, b) => b.length - a.length)[0]
  const found = place === undefined ? undefined : credentials.get(place)
  const token = found?.get('_authToken')
  if (token !== undefined) return { authorization: `Bearer ${token}` }
  const user = found?.get('username')
  const password = found?.get('_password')
  const basic = found?.get('_auth') ?? (user !== undefined && password !== undefined ? Buffer.from(`${user}:${Buffer.from(password, 'base64').toString('utf8')}`).toString('base64') : undefined)
  return basic === undefined ? {} : { authorization: `Basic ${basic}` }
}
