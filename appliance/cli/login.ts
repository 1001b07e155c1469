import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { hostname } from 'node:os'
import type { Command } from 'commander'
import { DrydockError } from '../core/error.ts'
import { answerOf, clientFor, openAppliance, reach } from './appliance.ts'
import { credentialsFile, forgetToken, knownAppliance, normalUrl, remember } from './credentials.ts'
import { outputOf } from './output.ts'
import { passwordFrom } from './password-input.ts'

/** A working day: then the person signs in again. */
const TOKEN_HOURS = 12
const CA_BYTES = 64 * 1024
const ASK_MS = 10_000

type LoginOptions = { user?: string; caSha256?: string; passwordFile?: string; newPasswordFile?: string }

export function register(program: Command): void {
  program
    .command('login')
    .description('Sign in to an appliance and keep a token for this user (0600). The CA is believed only when its fingerprint is the one given, which `drydock init` printed; later logins remember it.')
    .argument('<url>', 'like https://drydock.site-a:8443')
    .option('--user <name>', 'who signs in (default: who did so last time, else admin)')
    .option('--ca-sha256 <hex>', 'SHA-256 of the CA certificate, as `drydock init` printed it')
    .option('--password-file <file>', 'read the password from a file (else DRYDOCK_PASSWORD, else it is asked for)')
    .option('--new-password-file <file>', 'where a one-time password must be changed: the new one (else DRYDOCK_NEW_PASSWORD, else it is asked for)')
    .action(login)
  program
    .command('logout')
    .description('Revoke the token of the current appliance and forget it.')
    .action(async (_options: unknown, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      await answerOf(appliance.client.DELETE('/api/v1/session'))
      await forgetToken(appliance.url)
      output.line(`signed out of ${appliance.url}`)
      output.record({ url: appliance.url, user: appliance.user })
    })
}

async function login(address: string, options: LoginOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const url = normalUrl(address)
  const ca = await trustedCa(url, options.caSha256)
  const user = options.user ?? (await knownAppliance(url))?.user ?? 'admin'
  const password = await passwordFrom({ file: options.passwordFile, variable: 'DRYDOCK_PASSWORD', prompt: `password of ${user}` })
  const session = await answerOf(clientFor({ url, ca }).POST('/api/v1/session', { body: { user, password } }))
  const client = clientFor({ url, ca, token: session.token })
  if (session.mustChangePassword) {
    output.note('this password was made for one use; choose one of your own')
    const fresh = await passwordFrom({ file: options.newPasswordFile, variable: 'DRYDOCK_NEW_PASSWORD', prompt: 'new password (12 characters or more)' })
    await answerOf(client.POST('/api/v1/session/password', { body: { old: password, new: fresh } }))
  }
  const { token, credential } = await answerOf(client.POST('/api/v1/tokens', { body: { label: `login on ${hostname()}`.slice(0, 128), hours: TOKEN_HOURS } }))
  await remember({ url, user: session.user, token: credential, ca, expiresAt: token.expiresAt })
  await answerOf(client.DELETE('/api/v1/session'))
  output.line(`signed in to ${url} (${session.site}) as ${session.user}, ${session.role}, until ${token.expiresAt.slice(0, 16).replace('T', ' ')} UTC`)
  output.record({ url, site: session.site, user: session.user, role: session.role, expiresAt: token.expiresAt, file: credentialsFile() })
}

/**
 * The CA's certificate. It is fetched without being able to verify anything, so it counts only when its digest is what the person was told
 * over another way; without that the one of an earlier login counts, and nothing else.
 */
async function trustedCa(url: string, fingerprint: string | undefined): Promise<string> {
  if (fingerprint === undefined) {
    const known = await knownAppliance(url)
    if (known !== undefined) return known.ca
    throw new DrydockError('DD-CLI-006', `expected to know the CA of ${url}, found no earlier login`, 'add --ca-sha256 with the fingerprint that `drydock init` printed on the appliance')
  }
  const wanted = fingerprint.toLowerCase().replace(/^sha256:/, '').replaceAll(':', '')
  if (!/^[0-9a-f]{64}$/.test(wanted)) throw new DrydockError('DD-CLI-002', `expected 64 hex digits behind --ca-sha256, found ${JSON.stringify(fingerprint)}`, 'copy the whole fingerprint that `drydock init` printed')
  const ca = await reach(url, () => fetchUnverified(`${url}/ca.pem`))
  let found = 'something that is no certificate'
  try {
    found = new X509Certificate(ca).fingerprint256.replaceAll(':', '').toLowerCase()
  } catch {
    // Said below: it is not the one that was expected.
  }
  if (found !== wanted) throw new DrydockError('DD-CLI-006', `expected the CA ${wanted}, found ${found}`, 'compare it with the appliance itself; do not sign in: somebody may stand in between')
  return ca
}

function fetchUnverified(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const call = request(url, { rejectUnauthorized: false, agent: false, timeout: ASK_MS }, response => {
    const chunks: Buffer[] = []
    let size = 0
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > CA_BYTES) call.destroy(new DrydockError('DD-CLI-009', `expected a CA certificate of at most ${CA_BYTES} bytes, found more`, 'check the address'))
      else chunks.push(chunk)
    })
    response.on('error', reject)
    response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
  })
  call.on('timeout', () => call.destroy(new DrydockError('DD-CLI-005', `expected an answer from ${url} within ${ASK_MS / 1000} s, found none`, 'check the address and that the appliance runs')))
  call.on('error', reject)
  call.end()
  return promise
}
