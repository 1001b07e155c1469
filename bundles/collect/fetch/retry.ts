import { setTimeout as pause } from 'node:timers/promises'
import { DrydockError } from '../../../appliance/core/error.ts'
import { FIRST_PAUSE_MS, TRIES } from '../limits.ts'

/** A failure of the way to a registry, not of what was asked: worth another try. Never leaves {@link withRetries}. */
export class NetworkFault extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'NetworkFault'
  }
}

/**
 * Tries until it works, with doubling pauses, at most TRIES times. Only network faults are tried again: a wrong hash stays wrong.
 * @param advanced a try that failed was not in vain: they are counted anew, so that a large download over a bad line comes to its end.
 * @throws DD-COLLECT-005 after the last try, DD-CORE-007 when cancelled.
 */
export async function withRetries<T>(what: string, signal: AbortSignal, attempt: () => Promise<T>, advanced?: () => boolean): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (failure) {
      if (signal.aborted) throw cancelled(what, failure)
      if (!(failure instanceof NetworkFault)) throw failure
      if (advanced?.() === true) tries = 1
      if (tries === TRIES) {
        throw new DrydockError(
          'DD-COLLECT-005',
          `expected the registry to give ${what}, found ${failure.message} (${TRIES} tries)`,
          'check the network and the registry that this machine is set up for, then run the command again: what was fetched is kept',
          { cause: failure },
        )
      }
    }
    await pause(FIRST_PAUSE_MS * 2 ** (tries - 1), undefined, { signal }).catch((failure: unknown) => {
      throw cancelled(what, failure)
    })
  }
}

function cancelled(what: string, cause: unknown): DrydockError {
  return new DrydockError('DD-CORE-007', `expected to fetch ${what}, found it cancelled`, 'run the command again: what was fetched is kept', { cause })
}
