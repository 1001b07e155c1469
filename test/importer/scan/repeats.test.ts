import t from 'tap'
import { REPEAT_BYTES, REPEAT_LINES } from '../../../importer/scan/limits.ts'
import { withoutRepeats } from '../../../importer/scan/repeats.ts'

/** In pieces of this many bytes. */
function kept(text: string, piece: number): string {
  const sieve = withoutRepeats()
  const bytes = Buffer.from(text)
  const out: Buffer[] = []
  for (let from = 0; from < bytes.length; from += piece) out.push(Buffer.from(sieve.take(bytes.subarray(from, from + piece))))
  return Buffer.concat([...out, sieve.rest()]).toString()
}

await t.test('a line is kept once, in the order in which it was said first, wherever the pieces end', async t => {
  for (const piece of [1, 2, 7, 10_000]) {
    t.equal(kept('a: 1\na: 2\na: 1\na: 2\nb\n\n\nb\nend', piece), 'a: 1\na: 2\nb\n\nend', `${piece}`)
    t.equal(kept('same\nsame', piece), 'same\nsame', 'what has no end is kept as it is')
  }
})

await t.test('it remembers little: neither lines of long ago nor long ones', async t => {
  const many = Array.from({ length: REPEAT_LINES }, (_, k) => `line ${k}\n`).join('')
  t.equal(kept(`first\n${many}first\n`, 1000), `first\n${many}first\n`)
  t.equal(kept(`first\n${many.slice(0, -20)}\nfirst\n`, 1000).match(/first/g)?.length, 1)
  const long = `${'x'.repeat(REPEAT_BYTES)}y\n`
  for (const piece of [1, 1000, 1_000_000]) t.equal(kept(`${long}short\n${long}short\n`, piece), `${long}short\n${long}`)
  const sieve = withoutRepeats()
  let held = 0
  for (let k = 0; k < 100; k++) held = Math.max(held, 1000 - sieve.take(Buffer.alloc(1000, 'z')).length)
  t.ok(sieve.rest().length <= REPEAT_BYTES && held <= 1000, 'a line without an end is passed on, not held')
})
