import t from 'tap'
import { Writable } from 'node:stream'
import { byteText, durationText, openOutput, printFailure } from '../../../appliance/cli/output.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { printable } from '../../../appliance/core/printable.ts'

function sink(isTTY: boolean): Writable & { text: string; isTTY: boolean } {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      made.text += chunk.toString()
      done()
    },
  })
  const made = Object.assign(stream, { text: '', isTTY })
  return made
}

await t.test('for people: lines, colour only where it is wanted, and a bar that comes back beneath every line', async t => {
  const [stdout, stderr] = [sink(true), sink(true)]
  const output = openOutput({ json: false, stdout, stderr, colour: true })
  output.progress({ phase: 'boot', done: 1, total: 2, unit: 'nodes', etaSeconds: 130 })
  output.line('done', 'good')
  output.record({ hidden: true })
  output.done()
  t.equal(stdout.text, '\u001b[32mdone\u001b[0m\n')
  t.equal(stderr.text, '\r\u001b[K[██████████░░░░░░░░░░] 1/2 nodes · boot · ETA 2 min 10 s\r\u001b[K[██████████░░░░░░░░░░] 1/2 nodes · boot · ETA 2 min 10 s\r\u001b[K')
})

await t.test('in a pipe: plain lines, and progress only now and then', async t => {
  const [stdout, stderr] = [sink(false), sink(false)]
  const output = openOutput({ json: false, stdout, stderr, colour: true })
  for (let done = 0; done < 100; done++) output.progress({ phase: 'send', done, total: 100, unit: 'bytes', etaSeconds: null })
  output.line('done', 'good')
  t.equal(stdout.text, 'done\n')
  t.equal(stderr.text, 'send 0 B of 100 B\n')
})

await t.test('for programs: one object a line and nothing else', async t => {
  const [stdout, stderr] = [sink(true), sink(true)]
  const output = openOutput({ json: true, stdout, stderr, colour: true })
  output.line('hidden')
  output.record({ a: 1 })
  output.progress({ phase: 'send', done: 1, total: 2, unit: 'bytes', etaSeconds: null })
  t.same(stdout.text.trim().split('\n').map(line => JSON.parse(line) as object), [{ a: 1 }, { type: 'progress', phase: 'send', done: 1, total: 2, unit: 'bytes', etaSeconds: null }])
  t.equal(stderr.text, '')
})

await t.test('a failure is two lines and an exit code; an unknown fault tells nothing of its cause', async t => {
  const stderr = sink(false)
  t.equal(printFailure(new DrydockError('DD-IDENT-004', 'expected a, found b\u001b[2J', 'do this'), false, stderr), 3)
  t.equal(stderr.text, 'refused: expected a, found b\\u001b[2J\ndo: do this      DD-IDENT-004\n')
  const other = sink(false)
  t.equal(printFailure(new TypeError('secret path /root/x'), false, other), 1)
  t.match(other.text, /^failed: expected this step to succeed, found an internal fault\ndo: .*DD-CORE-001\n$/)
  t.notMatch(other.text, 'secret')
})

await t.test('names from outside cannot move the cursor, reorder text or break a line', async t => {
  for (const [text, shown] of [['a\u001b[31mb', 'a\\u001b[31mb'], ['a\nb', 'a\\u000ab'], ['\u202egpj.exe', '\\u202egpj.exe'], ['a\u200bb', 'a\\u200bb'], ['\ud800', '\\ud800'], ['\u{e0041}', '\\u{e0041}'], ['Ünïcödé 🚢 字', 'Ünïcödé 🚢 字']] as const) t.equal(printable(text), shown)
})

await t.test('sizes and times read as people say them', async t => {
  t.same([0, 1023, 1024, 2_040_109_466, 65_498_251_264].map(byteText), ['0 B', '1023 B', '1.0 KiB', '1.9 GiB', '61 GiB'])
  t.same([0, 40, 60, 130, 3900].map(durationText), ['0 s', '40 s', '1 min', '2 min 10 s', '1 h 5 min'])
})
