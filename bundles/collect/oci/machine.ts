import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Reference } from './registry-name.ts'

/**
 * What the container configuration of this machine says about a registry. Plain `auths` our own client can use; whatever else it says
 * (mirrors and rewritten names, signature policy, certificates, credential helpers) is skopeo's to honour, so it fetches then.
 */
export type MachineSays = { credentials: { user: string; password: string } | undefined; leaveToSkopeo: boolean }

export async function machineSays({ host, name }: Reference, environment: NodeJS.ProcessEnv): Promise<MachineSays> {
  const home = environment['HOME'] ?? ''
  const user = join(home, '.config/containers')
  const names = [host, `${host}/${name}`]
  const rewritten = (await registriesFiles(user, environment)).some(text => [...text.matchAll(/^\s*(?:prefix|location)\s*=\s*["']([^"']+)["']/gm)].some(([, prefix = '']) => concerns(prefix, names)))
  const demanded = await policyDemands(user, names)
  const certificates = (await Promise.all([join(user, 'certs.d'), '/etc/containers/certs.d', '/etc/docker/certs.d'].map(async folder => await exists(join(folder, host))))).some(Boolean)
  const { credentials, byHelper } = await storedCredentials(host, name, home, environment)
  return { credentials, leaveToSkopeo: rewritten || demanded || certificates || byHelper }
}

/** registries.conf(5): a prefix may begin with `*.` */
function concerns(prefix: string, names: readonly string[]): boolean {
  if (prefix.startsWith('*.')) return names.some(name => name.split('/')[0]!.endsWith(prefix.slice(1)))
  return names.some(name => name === prefix || name.startsWith(`${prefix}/`) || prefix.startsWith(`${name}/`))
}

async function registriesFiles(user: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const own = environment['CONTAINERS_REGISTRIES_CONF']
  const files = own !== undefined ? [own] : ['/etc/containers/registries.conf', join(user, 'registries.conf')]
  for (const folder of ['/etc/containers/registries.conf.d', join(user, 'registries.conf.d')]) {
    files.push(...(await readdir(folder).catch(() => [])).filter(name => name.endsWith('.conf')).map(name => join(folder, name)))
  }
  return await Promise.all(files.map(text))
}

/** containers-policy.json(5): anything but accepting all, as the default or for a scope of this repository. */
async function policyDemands(user: string, names: readonly string[]): Promise<boolean> {
  const policy = json((await text(join(user, 'policy.json'))) || (await text('/etc/containers/policy.json')))
  const transports = policy['transports'] as Record<string, Record<string, unknown>> | undefined
  const scopes = Object.entries(transports?.['docker'] ?? {}).flatMap(([scope, requirements]) => (scope === '' || concerns(scope, names) ? [requirements] : []))
  return [policy['default'] ?? [], ...scopes].some(requirements => Array.isArray(requirements) && requirements.some(requirement => (requirement as { type?: unknown }).type !== 'insecureAcceptAnything'))
}

/** containers-auth.json(5): the most exact key wins; the older file of docker comes last. */
async function storedCredentials(host: string, name: string, home: string, environment: NodeJS.ProcessEnv): Promise<{ credentials: MachineSays['credentials']; byHelper: boolean }> {
  const own = environment['REGISTRY_AUTH_FILE']
  const runtime = environment['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.() ?? 0}`
  const usual = [
    join(runtime, 'containers/auth.json'),
    join('/run/containers', `${process.getuid?.() ?? 0}`, 'auth.json'),
    join(environment['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'containers/auth.json'),
    join(environment['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json'),
  ]
  const files = own !== undefined ? [own] : usual
  const parts = `${host}/${name}`.split('/')
  const keys = [...parts.keys()].map(index => parts.slice(0, parts.length - index).join('/'))
  if (host === 'docker.io') keys.push('https://index.docker.io/v1/', 'index.docker.io')
  for (const file of files) {
    const config = json(await text(file))
    const helpers = (config['credHelpers'] ?? {}) as Record<string, unknown>
    if (helpers[host] !== undefined || config['credsStore'] !== undefined) return { credentials: undefined, byHelper: true }
    const auths = (config['auths'] ?? {}) as Record<string, { auth?: unknown; identitytoken?: unknown } | undefined>
    const entry = keys.map(key => auths[key]).find(found => found !== undefined)
    if (entry?.identitytoken !== undefined) return { credentials: undefined, byHelper: true }
    if (typeof entry?.auth !== 'string') continue
    const plain = Buffer.from(entry.auth, 'base64').toString('utf8')
    const colon = plain.indexOf(':')
    if (colon > 0) return { credentials: { user: plain.slice(0, colon), password: plain.slice(colon + 1) }, byHelper: false }
  }
  return { credentials: undefined, byHelper: false }
}

async function text(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}

function json(source: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(source)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false)
}
