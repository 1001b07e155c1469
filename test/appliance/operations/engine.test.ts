import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { Json } from '../../../bundles/format/json.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { createOperations, type OnJournal } from '../../../appliance/operations/engine.ts'
import type { OperationKind } from '../../../appliance/operations/operation-kind.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { openJournal } from '../../../appliance/state/journal.ts'
import { openEventLog } from '../../../appliance/telemetry/event-log.ts'

function open(file: string, onJournal?: OnJournal) {
  const database = openHistory(file)
  const events = openEventLog(database, wallClock, silentLog)
  const engine = createOperations({ journal: openJournal(database), events, clock: wallClock, log: silentLog, ...(onJournal === undefined ? {} : { onJournal }) })
  return { database, events, engine }
}

/** Two steps with a question between them; `effects` counts what was really done. */
function asking(effects: string[]): OperationKind<{ name: string }> {
  return {
    kind: 'ask',
    subject: params => `thing:${params.name}`,
    async run(context, params) {
      const first = await context.step('first', async () => {
        effects.push('first')
        return `${params.name}!`
      })
      context.emit({ type: 'ask.begin', subject: 'thing', fields: { first } })
      const answer = await context.waitFor<string>('answer')
      return await context.step('second', async () => {
        effects.push('second')
        return `${first} ${answer}`
      })
    },
  }
}

const request = { actor: 'ana', idempotencyKey: 'k1' }

await t.test('an operation waits for an answer, goes on with it, and does each effect once', async t => {
  const { engine, events } = open(join(t.testdir(), 'h.sqlite'))
  const effects: string[] = []
  const kind = asking(effects)
  engine.start()
  const { id } = engine.submit(kind, { name: 'a' }, request)
  t.match(await engine.settled(id), { state: 'waiting', waitingOn: 'answer', subject: 'thing:a', actor: 'ana' })
  engine.signal(id, 'answer', 'yes')
  t.match(await engine.settled(id), { state: 'succeeded', result: 'a! yes' })
  t.same(effects, ['first', 'second'])
  t.equal(events.list({ operation: id }).length, 1, 'and tells its event once although it ran twice')
  t.throws(() => engine.signal(id, 'answer', 'no'), { code: 'DD-STATE-014' }, 'and takes no answer after its end')
  await engine.stop()
})

await t.test('an operation that cannot write down that it waits has failed; it does not hang', async t => {
  const database = openHistory(join(t.testdir(), 'h.sqlite'))
  const journal = openJournal(database)
  const full = {
    ...journal,
    setState(id: string, change: Parameters<typeof journal.setState>[1]) {
      if (change.state === 'waiting') throw Object.assign(new Error('database or disk is full'), { errcode: 13 })
      journal.setState(id, change)
    },
  }
  const engine = createOperations({ journal: full, events: openEventLog(database, wallClock, silentLog), clock: wallClock, log: silentLog })
  engine.start()
  const { id } = engine.submit(asking([]), { name: 'full' }, request)
  t.match(await Promise.race([engine.settled(id), wait(2000, 'hangs')]), { state: 'failed', error: { code: 'DD-CORE-002' } })
  await engine.stop()
  database.close()
})

await t.test('how far an operation is, is told from memory: nothing is written for it until its state changes', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  const database = openHistory(file)
  const journal = openJournal(database)
  let writes = 0
  const counted = Object.fromEntries(Object.entries(journal).map(([name, call]) => [name, (...args: never[]) => {
    if (!['get', 'list', 'record', 'withKey', 'unfinished'].includes(name)) writes++
    return (call as (...args: never[]) => unknown)(...args)
  }])) as typeof journal
  const engine = createOperations({ journal: counted, events: openEventLog(database, wallClock, silentLog), clock: wallClock, log: silentLog })
  engine.start()
  const [told, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const bar = (phase: string, done: number): { phase: string; done: number; total: number; unit: string; etaSeconds: null } => ({ phase, done, total: 1000, unit: 'bytes', etaSeconds: null })
  const kind: OperationKind<{ name: string }> = {
    kind: 'long', subject: ({ name }) => name,
    async run(context) {
      await context.step('work', async () => {
        const before = writes
        for (let done = 1; done <= 1000; done++) context.progress(bar('first', done))
        t.equal(writes, before, 'and nobody waits for the disk')
        told.resolve()
        await goOn.promise
        return true
      })
      await context.waitFor('answer')
      context.progress(bar('second', 7))
      return true
    },
  }
  const { id } = engine.submit(kind, { name: 'a' }, request)
  await told.promise
  for (const shown of [engine.get(id), engine.list()[0], engine.known(request)]) t.match(shown, { state: 'running', progress: bar('first', 1000) })
  t.match(journal.get(id), { state: 'running', progress: null })
  goOn.resolve()
  t.match(await engine.settled(id), { state: 'waiting', progress: null }, 'what waits makes no progress')
  engine.signal(id, 'answer', true)
  t.match(await engine.settled(id), { state: 'succeeded', progress: bar('second', 7) })
  t.match(journal.get(id), { state: 'succeeded', progress: bar('second', 7) }, 'how far it came is written with its end')
  await engine.stop()
  database.close()
  const again = open(file)
  t.match(again.engine.get(id), { state: 'succeeded', progress: bar('second', 7) }, 'and is known after a restart')
  again.database.close()
})

await t.test('after a restart an operation goes on where it was: waiting, answered, or in the middle', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  const effects: string[] = []
  const first = open(file)
  first.engine.start()
  const { id } = first.engine.submit(asking(effects), { name: 'b' }, request)
  await first.engine.settled(id)
  await first.engine.stop()
  first.database.close()

  const second = open(file)
  second.engine.register(asking(effects))
  second.engine.start()
  t.match(second.engine.get(id), { state: 'waiting' }, '2nd run: it still waits')
  await second.engine.stop()
  second.engine.signal(id, 'answer', 'late')
  second.database.close()

  const third = open(file)
  third.engine.register(asking(effects))
  third.engine.start()
  t.match(await third.engine.settled(id), { state: 'succeeded', result: 'b! late' }, '3rd run: the answer that came in between is used')
  t.same(effects, ['first', 'second'])
  await third.engine.stop()
})

await t.test('a stop in the middle of an effect freezes the run, and the next start does the effect again', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  let tries = 0
  let unwound = false
  const kind: OperationKind<null> = {
    kind: 'slow',
    subject: () => 'x',
    async run(context) {
      try {
        return await context.step('slow', async () => {
          tries += 1
          if (tries === 1) await wait(10_000, undefined, { signal: context.signal })
          return tries
        })
      } catch (failure) {
        unwound = true
        throw failure
      }
    },
  }
  const first = open(file)
  first.engine.start()
  const { id } = first.engine.submit(kind, null, request)
  await wait(30)
  await first.engine.stop()
  await wait(10)
  t.notOk(unwound, 'the use case never saw the stop')
  t.match(first.engine.get(id), { state: 'running' })
  first.database.close()
  const second = open(file)
  second.engine.register(kind)
  second.engine.start()
  t.match(await second.engine.settled(id), { state: 'succeeded', result: 2 })
  await second.engine.stop()
})

await t.test('cancel reaches a running, a waiting and a queued operation', async t => {
  const { engine } = open(join(t.testdir(), 'h.sqlite'))
  engine.start()
  const effects: string[] = []
  const kind: OperationKind<string> = {
    kind: 'run',
    subject: name => name,
    lane: () => 'one',
    run: async context => await context.step('long', async () => await wait(10_000, 'done', { signal: context.signal })),
  }
  const running = engine.submit(kind, 'running', { actor: 'ana', idempotencyKey: '1' })
  const queued = engine.submit(kind, 'queued', { actor: 'ana', idempotencyKey: '2' })
  const waiting = engine.submit(asking(effects), { name: 'c' }, { actor: 'ana', idempotencyKey: '3' })
  await engine.settled(waiting.id)
  t.equal(engine.get(queued.id)?.state, 'queued', 'one lane, one at a time')
  for (const each of [queued, waiting, running]) engine.cancel(each.id, 'ben')
  for (const each of [running, queued, waiting]) {
    const ended = await engine.settled(each.id)
    t.equal(ended.state, 'cancelled', each.subject)
    t.match(ended.error, { code: 'DD-CORE-007', message: /cancelled by ben/ })
  }
  t.same(effects, ['first'])
  await engine.stop()
})

await t.test('one idempotency key is one operation, and another request under it is refused', async t => {
  const { engine } = open(join(t.testdir(), 'h.sqlite'))
  engine.start()
  const kind = asking([])
  const one = engine.submit(kind, { name: 'd' }, request)
  t.equal(engine.submit(kind, { name: 'd' }, request).id, one.id)
  t.throws(() => engine.submit(kind, { name: 'e' }, request), { code: 'DD-STATE-013' })
  t.not(engine.submit(kind, { name: 'e' }, { ...request, actor: 'ben' }).id, one.id, 'keys are per person')
  t.throws(() => engine.cancel('nope', 'ana'), { code: 'DD-STATE-012' })
  await engine.stop()
})

await t.test('a failure is kept with its code, and a fault without one never shows its text', async t => {
  const { engine } = open(join(t.testdir(), 'h.sqlite'))
  engine.start()
  const kind: OperationKind<null> = { kind: 'bad', subject: () => 'x', run: async (): Promise<Json> => await Promise.reject(new TypeError('secret text')) }
  const failed = await engine.settled(engine.submit(kind, null, request).id)
  t.match(failed, { state: 'failed', error: { code: 'DD-CORE-001' } })
  t.notMatch(JSON.stringify(failed), /secret text/)
  await engine.stop()
})

await t.test('the hook is called around the intent, the effect and the result of every step, in order', async t => {
  const seen: string[] = []
  const { engine } = open(join(t.testdir(), 'h.sqlite'), (record, when) => void seen.push(`${when} ${record.phase} ${record.name}`))
  engine.start()
  const { id } = engine.submit(asking([]), { name: 'f' }, request)
  await engine.settled(id)
  t.same(seen, [
    'before intent first', 'after intent first', 'before effect first', 'after effect first', 'before result first', 'after result first',
    'before intent answer', 'after intent answer',
  ])
  await engine.stop()
})

/** A short step, a long one in a lane of its own, and another short one; the long one ends when it is let go. */
function inTwoLanes(effects: string[], letGo: Promise<unknown>): OperationKind<string> {
  const done = async (text: string): Promise<string> => {
    effects.push(text)
    return text
  }
  return {
    kind: 'two',
    subject: name => name,
    lane: () => 'short',
    async run(context, name) {
      await context.step('first', async () => await done(`${name} first`))
      await context.enterLane('long', 'long')
      await context.step('long', async () => {
        await letGo
        return await done(`${name} long`)
      })
      await context.enterLane('short', 'back')
      await context.enterLane('short', 'there already')
      return await context.step('last', async () => await done(`${name} last`))
    },
  }
}

await t.test('an operation that enters another lane frees the one it was in, and each lane stays one at a time in order', async t => {
  const { engine } = open(join(t.testdir(), 'h.sqlite'))
  const effects: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const kind = inTwoLanes(effects, promise)
  engine.start()
  const [a, b] = ['a', 'b'].map(name => engine.submit(kind, name, { actor: 'ana', idempotencyKey: name }))
  await wait(50)
  t.same(effects, ['a first', 'b first'], 'the second does not stand behind the long step of the first')
  t.match([engine.get(a!.id), engine.get(b!.id)], [{ state: 'running' }, { state: 'queued' }])
  resolve()
  for (const { id } of [a!, b!]) t.match(await engine.settled(id), { state: 'succeeded' })
  t.same(effects.filter(text => text.endsWith('long')), ['a long', 'b long'])
  t.same(effects.length, new Set(effects).size, 'each effect once, although each ran three times')
  await engine.stop()
})

await t.test('an operation that was stopped stands in the lane it had entered, and can be cancelled there', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  const effects: string[] = []
  const first = open(file)
  first.engine.start()
  const kind = inTwoLanes(effects, new Promise(() => undefined))
  const a = first.engine.submit(kind, 'a', { actor: 'ana', idempotencyKey: 'a' })
  // Ids sort by their millisecond, and a restart goes by them.
  await wait(5)
  const b = first.engine.submit(kind, 'b', { actor: 'ana', idempotencyKey: 'b' })
  await wait(50)
  void first.engine.stop()
  await wait(10)
  first.database.close()

  const second = open(file)
  const { promise, resolve } = Promise.withResolvers<void>()
  second.engine.register(inTwoLanes(effects, promise))
  second.engine.start()
  const c = second.engine.submit(kind, 'c', { actor: 'ana', idempotencyKey: 'c' })
  await wait(50)
  t.same(effects, ['a first', 'b first', 'c first'], 'the short lane is free at once')
  second.engine.cancel(b.id, 'ben')
  resolve()
  t.match(await second.engine.settled(b.id), { state: 'cancelled' })
  for (const { id } of [a, c]) t.match(await second.engine.settled(id), { state: 'succeeded' })
  t.same(effects.slice(3), ['a long', 'a last', 'c long', 'c last'])
  await second.engine.stop()
})

await t.test('an operation of a kind this build does not know is left as it is', async t => {
  const file = join(t.testdir(), 'h.sqlite')
  const first = open(file)
  const { id } = first.engine.submit(asking([]), { name: 'g' }, request)
  first.database.close()
  const second = open(file)
  second.engine.start()
  t.match(second.engine.get(id), { state: 'queued' })
  await second.engine.stop()
})

await t.test('what failed for no reason that has a code of its own is told to the log with its cause, also where only errors are logged', async t => {
  const told: { level: string; fields: Record<string, unknown> }[] = []
  const log = { ...silentLog, warn: (fields: Record<string, unknown>) => void told.push({ level: 'warn', fields }), error: (fields: Record<string, unknown>) => void told.push({ level: 'error', fields }) }
  const database = openHistory(join(t.testdir(), 'history.sqlite'))
  t.teardown(() => database.close())
  const engine = createOperations({ journal: openJournal(database), events: openEventLog(database, wallClock, silentLog), clock: wallClock, log })
  const failures = [new TypeError('no such thing'), new DrydockError('DD-CORE-001', 'expected this step to succeed, found an internal fault', 'look at the log', { cause: 'ENOTEMPTY: said by the confined process' }), new DrydockError('DD-CORE-007', 'expected it to finish, found it cancelled', 'run it again')]
  const kind: OperationKind<{ k: number }> = { kind: 'fail', subject: () => 'thing', run: (_context, { k }) => Promise.reject(failures[k]!) }
  engine.register(kind)
  engine.start()
  for (const k of failures.keys()) await engine.settled(engine.submit(kind, { k }, { actor: 'ana', idempotencyKey: String(k) }).id)
  t.match(told.map(({ level, fields }) => [level, fields['code'], fields['cause']]), [['error', 'DD-CORE-001', /TypeError: no such thing\n/], ['error', 'DD-CORE-001', 'ENOTEMPTY: said by the confined process'], ['warn', 'DD-CORE-007', undefined]])
})
