import { setDefaultCACertificates } from 'node:tls'
import { DrydockError, type ErrorBody } from '../core/error.ts'
import { ERRORS } from '../core/errors/table.ts'
import { createDrydockClient, type DrydockClient } from '../../ui/client/client.ts'
import { currentAppliance, type Known } from './credentials.ts'

/** An appliance that somebody is signed in to. */
export type Appliance = Known & { client: DrydockClient }

/** Opens the current one. From here on this process trusts that appliance's CA and no other: not even the machine's own. @throws DD-CLI-007 */
export async function openAppliance(): Promise<Appliance> {
  const known = await currentAppliance()
  return { ...known, client: clientFor(known) }
}

export function clientFor({ url, ca, token }: { url: string; ca: string; token?: string }): DrydockClient {
  setDefaultCACertificates([ca])
  return createDrydockClient({ baseUrl: url, ...(token === undefined ? {} : { token }), fetch: request => reach(url, () => fetch(request)) })
}

/** What was asked for, or the appliance's error as ours. `undefined` where it has nothing to say (204). */
export async function answerOf<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (error !== undefined || !response.ok) throw errorFrom(error, response.status)
  return data as T
}

/** An ErrorBody of the appliance as the same error here, so that it prints and exits like one of ours. */
export function errorFrom(body: unknown, status: number): DrydockError {
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body && 'hint' in body) {
    const { code, message, hint, at } = body as ErrorBody
    if (Object.hasOwn(ERRORS, code)) return new DrydockError(code, message, hint, at === undefined ? {} : { at })
    return new DrydockError('DD-CLI-009', message, `${hint} (${String(code)})`)
  }
  return new DrydockError('DD-CLI-009', `expected an answer of a Drydock appliance, found HTTP ${status}`, 'check the address: drydock login https://HOST:8443')
}

/** @throws DD-CLI-005 for whatever keeps an answer from coming, DD-CLI-006 when the certificate is another appliance's. */
export async function reach<T>(url: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (failure) {
    throw unreachable(url, failure)
  }
}

export function unreachable(url: string, failure: unknown): unknown {
  if (failure instanceof DrydockError || (failure instanceof Error && failure.name === 'AbortError')) return failure
  const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.message : String(cause)
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code)) {
    return new DrydockError('DD-CLI-006', `expected the certificate of the appliance that was signed in to at ${url}, found another (${code})`, 'compare the CA fingerprint with the one that `drydock init` printed, then: drydock login … --ca-sha256 …', { cause: failure })
  }
  return new DrydockError('DD-CLI-005', `expected an answer from the appliance at ${url}, found none (${code})`, 'check that it runs (drydock doctor, on the appliance) and that this machine can reach it', { cause: failure })
}
