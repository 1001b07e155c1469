import t from 'tap'
import { callRate } from '../../../../appliance/api/agent/call-rate.ts'

await t.test('a guest that calls thousands of times is put off, the others are not', async t => {
  let now = 0
  const count = callRate(() => now)
  for (let call = 0; call < 60; call++) count('lin-1')
  t.throws(() => count('lin-1'), { code: 'DD-AGENT-004', retryable: true })
  t.doesNotThrow(() => count('lin-2'))
  now += 1000
  for (let call = 0; call < 3; call++) count('lin-1')
  t.throws(() => count('lin-1'), { code: 'DD-AGENT-004' })
  for (let hour = 0; hour < 360; hour++) {
    now += 10_000
    t.doesNotThrow(() => count('lin-1'))
  }
})
