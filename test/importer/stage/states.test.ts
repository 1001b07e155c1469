import t from 'tap'
import { moverOf } from '../../../appliance/operations/import-move.ts'
import { openHistory } from '../../../appliance/state/history.ts'
import { importLedger } from '../../../appliance/state/import-ledger.ts'
import { newRecord } from '../../../appliance/operations/import.ts'
import { IMPORT_STATES } from '../../../bundles/format/import-record.ts'
import { hasEnded, mayBecome, TRANSITIONS } from '../../../importer/stage/index.ts'

const clock = { now: () => new Date('2026-11-21T00:00:00Z') }

await t.test('an import goes every way of the table and no other; what is refused leaves it as it was', async t => {
  const ledger = importLedger(openHistory(':memory:'))
  let next = 0
  for (const from of IMPORT_STATES) {
    for (const to of IMPORT_STATES) {
      const id = `import-${next++}`
      ledger.create({ ...newRecord(id, { id, actor: 'olga' }, { source: 'x', upload: false, fileName: 'x.drydock' }, clock), state: from }, { source: 'x', upload: false, fileName: 'x.drydock' })
      const move = moverOf({ ledger, clock, steps: { mayBecome } }, id)
      const allowed = from === to || (TRANSITIONS[from] as readonly string[]).includes(to)
      if (allowed) t.equal(move(to).state, to, `${from} → ${to}`)
      else {
        t.throws(() => move(to), { code: 'DD-CORE-001', message: `expected an import that may go from ${from} to ${to}, found no such way in its table of states` })
        t.equal(ledger.get(id)?.state, from)
      }
    }
  }
})

await t.test('every state can be reached, and what has ended goes nowhere but from failed', async t => {
  const reached = new Set<string>(['found'])
  for (const state of reached) for (const to of TRANSITIONS[state as keyof typeof TRANSITIONS]) reached.add(to)
  t.same([...reached].toSorted(), [...IMPORT_STATES].toSorted())
  for (const state of IMPORT_STATES) t.equal(hasEnded(state), TRANSITIONS[state].length === 0 || state === 'failed', state)
})
