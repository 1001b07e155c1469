import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { ensureFolder, writeDurably } from '../core/durable-file.ts'
import { DrydockError, isErrno } from '../core/error.ts'

const strict = { additionalProperties: false } as const
const Known = Type.Object({ url: Type.String(), user: Type.String(), token: Type.String(), ca: Type.String(), expiresAt: Type.String() }, strict)
export type Known = Type.Static<typeof Known>
const Credentials = Type.Object({ format: Type.Literal('drydock-credentials/1'), current: Type.Union([Type.String(), Type.Null()]), appliances: Type.Array(Known) }, strict)
type Credentials = Type.Static<typeof Credentials>

/** One file a user, 0600: the appliances they are signed in to, each with its CA. DRYDOCK_CREDENTIALS names another one. */
export function credentialsFile(): string {
  const named = process.env['DRYDOCK_CREDENTIALS'] ?? ''
  const config = process.env['XDG_CONFIG_HOME'] ?? ''
  return named !== '' ? named : join(config !== '' ? config : join(homedir(), '.config'), 'drydock', 'credentials.json')
}

async function read(): Promise<Credentials> {
  try {
    return checkShape(Credentials, JSON.parse(await readFile(credentialsFile(), 'utf8')), credentialsFile())
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return { format: 'drydock-credentials/1', current: null, appliances: [] }
    if (failure instanceof SyntaxError) throw new DrydockError('DD-CLI-007', `expected the credentials in ${credentialsFile()}, found something that is no JSON`, 'delete the file and run drydock login again', { cause: failure })
    throw failure
  }
}

async function write(credentials: Credentials): Promise<void> {
  await ensureFolder(dirname(credentialsFile()), 0o700)
  await writeDurably(credentialsFile(), `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 })
}

/** The appliance that verbs speak to: DRYDOCK_URL when it is set, else the one of the last login. @throws DD-CLI-007 */
export async function currentAppliance(): Promise<Known> {
  const { current, appliances } = await read()
  const wanted = process.env['DRYDOCK_URL'] === undefined || process.env['DRYDOCK_URL'] === '' ? current : normalUrl(process.env['DRYDOCK_URL'])
  const known = appliances.find(one => one.url === wanted)
  if (known === undefined) {
    throw new DrydockError('DD-CLI-007', `expected a login${wanted === null ? '' : ` to ${wanted}`} in ${credentialsFile()}, found none`, 'sign in first: drydock login https://HOST:8443 --ca-sha256 …')
  }
  if (known.token === '') throw new DrydockError('DD-CLI-007', `expected a login to ${known.url}, found that ${known.user} has signed out`, `sign in again: drydock login ${known.url} --user ${known.user}`)
  if (Date.parse(known.expiresAt) <= Date.now()) throw new DrydockError('DD-CLI-007', `expected a token that is still good, found one that expired at ${known.expiresAt}`, `sign in again: drydock login ${known.url} --user ${known.user}`)
  return known
}

export async function knownAppliance(url: string): Promise<Known | undefined> {
  return (await read()).appliances.find(one => one.url === url)
}

export async function remember(known: Known): Promise<void> {
  const before = await read()
  await write({ ...before, current: known.url, appliances: [...before.appliances.filter(one => one.url !== known.url), known] })
}

/** The CA stays known, so that the next login needs no fingerprint; the token is gone. */
export async function forgetToken(url: string): Promise<void> {
  const before = await read()
  await write({ ...before, appliances: before.appliances.map(one => (one.url === url ? { ...one, token: '', expiresAt: new Date(0).toISOString() } : one)) })
}

/** `https://host:8443`, without a path. @throws DD-CLI-002 */
export function normalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    throw new DrydockError('DD-CLI-002', `expected an address like https://drydock.site-a:8443, found ${JSON.stringify(text)}`, 'give the address that `drydock up` printed')
  }
  return url.origin
}
