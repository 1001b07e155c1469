import type { FastifyInstance } from 'fastify'
import { DrydockError, isErrno } from '../../core/error.ts'
import type { Address } from './config.ts'

/** @throws DD-STATE-018 when the address cannot be had. */
export async function listen(app: FastifyInstance, { host, port }: Address, what: string): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    const place = `${host}:${port}`
    if (isErrno(cause, 'EADDRINUSE')) throw new DrydockError('DD-STATE-018', `expected ${place} to be free for ${what}, found it in use`, `see who has it: ss -ltnp 'sport = :${port}'; stop that, or set another address in drydock.yaml`, { cause })
    if (isErrno(cause, 'EACCES')) throw new DrydockError('DD-STATE-018', `expected to be allowed to listen on ${place} for ${what}, found that this user is not`, 'choose a port above 1023', { cause })
    if (isErrno(cause, 'EADDRNOTAVAIL') || isErrno(cause, 'ENOTFOUND')) throw new DrydockError('DD-STATE-018', `expected ${host} to be an address of this machine for ${what}, found that it is not`, 'correct listen or agentListen in drydock.yaml', { cause })
    throw cause
  }
}
