import { setTimeout } from 'node:timers/promises'
import { upSite } from './up-site.ts'
import type { World } from './world.ts'

/** The real `drydock up`, with an operator and an approver who ask it over HTTPS. */
export async function upWorld(): Promise<World> {
  const { site, cases, following, start, reset, close } = await upSite()
  return {
    name: 'up', cases, data: site.data, marks: site.marks, reset, close,
    async run({ subject, upload }, kill) {
      const { tell, ready, ended } = start(kill === undefined ? {} : { kill })
      const wasReady = (await ready) !== undefined
      // Whoever was asking when it was killed gets an error and asks again after the next start.
      const ending = wasReady ? await following.follow(subject, upload).catch((failure: unknown) => String(failure)) : undefined
      if (typeof ending === 'object') tell('SIGTERM')
      const { signal, out, err } = await Promise.race([ended, setTimeout(20_000).then(() => ({ signal: 'stuck', out: '', err: '' }))])
      if (signal === 'stuck') tell('SIGKILL')
      return { killed: signal === 'SIGKILL', wasReady, ending: typeof ending === 'object' ? ending : undefined, said: `${typeof ending === 'string' ? ending : ''}${out}${err}` }
    },
  }
}
