import { createDrydockClient } from '../../client/client.ts'
import type { paths } from '../../client/generated/paths.ts'

/** The one client of the console; the session cookie carries who we are. */
export const api = createDrydockClient({ baseUrl: window.location.origin })

/** Told to the window when an answer says that nobody is signed in any more (the session ended, or the appliance started again). */
export const SIGNED_OUT = 'drydock:signed-out'
const NOT_SIGNED_IN = 'DD-IDENT-003'
/** Our own word for no answer at all. */
export const NO_ANSWER = 'DD-CLI-005'

type Answer<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends { responses: { 200: { content: { 'application/json': infer Body } } } } ? Body : never

export type Session = Answer<'/api/v1/session', 'get'>
export type Pool = Answer<'/api/v1/pools', 'get'>[number]
export type PoolDiff = Answer<'/api/v1/pools/{name}/diff', 'get'>
export type PoolRevision = Answer<'/api/v1/pools/{name}/history', 'get'>[number]
export type Node = Answer<'/api/v1/nodes', 'get'>[number]
export type Import = Answer<'/api/v1/imports', 'get'>[number]
export type Medium = Answer<'/api/v1/media', 'get'>[number]
export type Rescan = Answer<'/api/v1/scanners/rescans', 'get'>[number]
export type Found = Answer<'/api/v1/scanners/findings', 'get'>[number]
export type Preflight = NonNullable<Import['preflight']>
export type DrydockEvent = Answer<'/api/v1/events', 'get'>[number]

/** What a person sees of any failure: the same three lines as on the command line. */
export type Fault = { message: string; hint: string; code: string }

/** One function turns any failure into what a person sees. */
export function faultOf(failure: unknown): Fault {
  if (typeof failure === 'object' && failure !== null && 'code' in failure && 'message' in failure && 'hint' in failure) {
    return { message: String(failure.message), hint: String(failure.hint), code: String(failure.code) }
  }
  return { message: 'expected an answer from the appliance, found none', hint: 'check that the appliance runs (drydock doctor) and that this machine can reach it', code: NO_ANSWER }
}

export class ApiFault extends Error {
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

/** Takes the data out of a client's answer, or throws the fault in it. */
export async function answerOf<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  let answer: { data?: T; error?: unknown }
  try {
    answer = await call
  } catch (failure) {
    throw new ApiFault(faultOf(failure))
  }
  if (answer.error !== undefined) {
    const fault = faultOf(answer.error)
    if (fault.code === NOT_SIGNED_IN) window.dispatchEvent(new Event(SIGNED_OUT))
    throw new ApiFault(fault)
  }
  return answer.data as T
}

export function faultFrom(failure: unknown): Fault {
  return failure instanceof ApiFault ? failure.fault : faultOf(failure)
}

/** A key that makes a repeated click the same request. */
export function idempotencyKey(): { 'Idempotency-Key': string } {
  return { 'Idempotency-Key': crypto.randomUUID() }
}
