import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createTurns } from '../../../importer/scan/turns.ts'

const never = new AbortController().signal

/** Work that ends when it is told to, or is stopped. */
function work(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    end: resolve,
    async run(signal: AbortSignal = never): Promise<string> {
      log.push(`${name} begins`)
      const stopped = new Promise<never>((_done, reject) => signal.addEventListener('abort', () => reject(new Error(`${name} stopped`)), { once: true }))
      try {
        await Promise.race([promise, stopped])
        log.push(`${name} ends`)
        return name
      } catch (failure) {
        log.push(`${name} is stopped`)
        throw failure
      }
    },
  }
}

await t.test('an import begins at once; a batch of a rescan is stopped for it, and is done again when it is over', async t => {
  const turns = createTurns()
  const log: string[] = []
  const [batch, first, second] = [work(log, 'batch'), work(log, 'import 1'), work(log, 'import 2')]
  const rescan = turns.between(never, signal => batch.run(signal))
  await sleep(1)
  const imports = [turns.first(() => first.run()), turns.first(() => second.run())]
  await sleep(1)
  t.same(log, ['batch begins', 'import 1 begins', 'import 2 begins', 'batch is stopped'])
  first.end()
  await sleep(1)
  t.equal(log.filter(line => line === 'batch begins').length, 1, 'the other import is not over')
  second.end()
  await Promise.all(imports)
  await sleep(1)
  batch.end()
  t.equal(await rescan, 'batch')
  t.same(log.slice(4), ['import 1 ends', 'import 2 ends', 'batch begins', 'batch ends'])
})

await t.test('an import that fails is over too, and its own fault stays its own', async t => {
  const turns = createTurns()
  const failed = turns.first(() => Promise.reject(new TypeError('no answer')))
  t.equal(await turns.between(never, () => Promise.resolve('looked')), 'looked')
  await t.rejects(failed, { message: 'no answer' })
})

await t.test('a batch that fails by itself is not done again', async t => {
  const turns = createTurns()
  let runs = 0
  await t.rejects(turns.between(never, () => Promise.reject(new TypeError(`no answer ${++runs}`))), { message: 'no answer 1' })
})

await t.test('who cancels it need not wait for an import', async t => {
  const turns = createTurns()
  const log: string[] = []
  const first = work(log, 'import')
  const running = turns.first(() => first.run())
  const cancel = new AbortController()
  const rescan = turns.between(cancel.signal, () => Promise.resolve('looked'))
  cancel.abort(new TypeError('cancelled'))
  await t.rejects(rescan, { message: 'cancelled' })
  first.end()
  await running
})
