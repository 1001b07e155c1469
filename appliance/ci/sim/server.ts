import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { asDrydockError, DrydockError } from '../../core/error.ts'
import { ERRORS } from '../../core/errors/table.ts'
import { buildSimCi } from './app.ts'
import { SimCiStore } from './store.ts'

/**
 * The sim CI server as a process of its own:
 *   node appliance/ci/sim/server.ts --state DIR (--token TOKEN | --token-file FILE) [--listen 127.0.0.1:0]
 * Prints its URL as one line when it answers, and ends on SIGTERM or SIGINT. Its state outlives kill -9.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1:0' },
      state: { type: 'string' },
      token: { type: 'string' },
      'token-file': { type: 'string' },
      'poll-milliseconds': { type: 'string', default: '25000' },
      'online-milliseconds': { type: 'string', default: '15000' },
    },
  })
  const token = values['token-file'] === undefined ? values.token : readFileSync(values['token-file'], 'utf8').trim()
  const listen = /^(?:(.+):)?(\d{1,5})$/.exec(values.listen)
  if (values.state === undefined || token === undefined || token === '' || listen === null) {
    throw new DrydockError('DD-CLI-001', 'expected --state DIR, --token TOKEN (or --token-file FILE) and --listen HOST:PORT, found less', 'node appliance/ci/sim/server.ts --listen 127.0.0.1:0 --state DIR --token TOKEN')
  }
  mkdirSync(values.state, { recursive: true, mode: 0o700 })
  const now = (): number => Date.now()
  const store = new SimCiStore(join(values.state, 'ci.sqlite'), now)
  const app = buildSimCi({ store, token, now, pollMilliseconds: Number(values['poll-milliseconds']), onlineMilliseconds: Number(values['online-milliseconds']) })
  const stop = async (): Promise<void> => {
    await app.close()
    store.close()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop())
  console.log(await app.listen({ host: listen[1] ?? '127.0.0.1', port: Number(listen[2]) }))
}

try {
  await main()
} catch (failure) {
  const error = asDrydockError(failure)
  console.error(`${error.message}\n${error.hint}\n${error.code}`)
  process.exitCode = ERRORS[error.code].exit
}
