import { createHash, createCipheriv } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AVERAGE_BYTES, chunksOf, MAX_BYTES, MIN_BYTES } from '../../../bundles/build/fastcdc.ts'
import { GEAR_HEX } from '../../../bundles/build/gear.ts'

/** The machine may be busy with other tests. */
t.setTimeout(120_000)

const KIB = 1024

/** The same bytes everywhere: the key stream of AES-128-CTR with this key and a counter from 0. */
function seeded(length: number, seed: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length))
}

async function* inReads(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, k = 0; at < bytes.length; k++) {
    const size = sizes[k % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function cut(bytes: Buffer, sizes: readonly number[] = [1024 * KIB]): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of chunksOf(inReads(bytes, sizes))) chunks.push(Buffer.from(chunk))
  return chunks
}

/** FastCDC as the paper writes it down (algorithm 1 of 2016), one byte after the other, with Python's own large numbers. */
const REFERENCE = `
import hashlib, sys
data = open(sys.argv[1], 'rb').read()
low, centre, high = map(int, sys.argv[2:5])
gear = [int.from_bytes(hashlib.md5(bytes([b]) * 64).digest()[:8], 'big') for b in range(256)]
before, after = 0x0000d90707537000, 0x0000d90313530000
def length(start):
    n = min(len(data) - start, high)
    if n <= low:
        return n
    hash = 0
    for i in range(low, n // 2 * 2):
        hash = (hash * 2 + gear[data[start + i]]) % 2**64
        if hash & (before if i < min(n, centre) // 2 * 2 else after) == 0:
            return i
    return n
at, found = 0, []
while at < len(data):
    found.append(length(at))
    at += found[-1]
print(*found)
`

const lengths = (chunks: readonly Buffer[]): number[] => chunks.map(chunk => chunk.length)

await t.test('the gear table is the published one: the first 8 bytes of the MD5 of 64 equal bytes', t => {
  const made = Array.from({ length: 256 }, (_, byte) => createHash('md5').update(Buffer.alloc(64, byte)).digest('hex').slice(0, 16))
  t.equal(GEAR_HEX, made.join(''))
  t.equal(GEAR_HEX.slice(0, 16), '3b5d3c7d207e37dc', 'as it stands in the C reference (destor) and in the Rust crate')
  t.end()
})

await t.test('cut points are those of the Rust crate fastcdc 3.2.1, module v2020, level 2', async t => {
  /** Made once by that crate: FastCDC::with_level(data, 16384, 65536, 262144, Normalization::Level2) over seeded(3_000_001, 1). */
  const byCrate = [
    89778, 87578, 90395, 114300, 85732, 27716, 86011, 68077, 66676, 67070, 67668, 80918, 57735, 82844, 37618, 77332,
    93496, 78048, 80906, 78834, 55121, 17894, 88604, 77718, 72275, 81501, 82576, 66432, 66662, 46937, 96113, 71183,
    158692, 71614, 72623, 77346, 68914, 102335, 68376, 38353,
  ]
  t.same(lengths(await cut(seeded(3_000_001, 1))), byCrate)
  t.same(lengths(await cut(Buffer.alloc(600_000))), [262_144, 262_144, 75_712], 'zeros have no cut points')
})

await t.test('an independent program with 64-bit numbers finds the same cut points', async t => {
  const folder = t.testdir()
  const script = join(folder, 'reference.py')
  writeFileSync(script, REFERENCE)
  const samples = { random: seeded(700_003, 2), text: Buffer.from('a line of text that comes again\n'.repeat(20_000)), odd: seeded(16_385, 3), small: seeded(16_384, 4), one: Buffer.from('x'), counted: Buffer.from(Array.from({ length: 300_001 }, (_, k) => (k * k) >> 7)) }
  for (const [name, bytes] of Object.entries(samples)) {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    const said = execFileSync('/usr/bin/python3', [script, path, String(MIN_BYTES), String(AVERAGE_BYTES), String(MAX_BYTES)], { encoding: 'utf8' })
    t.same(lengths(await cut(bytes)), said.trim().split(' ').map(Number), name)
  }
})

await t.test('chunks make the content again, none is too small or too large, and most are about the average', async t => {
  const bytes = seeded(12_000_000, 5)
  const chunks = await cut(bytes)
  t.ok(Buffer.concat(chunks).equals(bytes))
  t.ok(lengths(chunks).slice(0, -1).every(length => length >= MIN_BYTES && length <= MAX_BYTES))
  const average = bytes.length / chunks.length
  t.ok(average > AVERAGE_BYTES * 0.8 && average < AVERAGE_BYTES * 1.5, `${Math.round(average / KIB)} KiB on average`)
  t.same(await cut(Buffer.alloc(0)), [])
})

await t.test('how a content is read makes no difference', async t => {
  const bytes = seeded(6_000_000, 6)
  const whole = lengths(await cut(bytes, [bytes.length]))
  for (const sizes of [[1024 * KIB], [65_537], [1, 99_999, 3, 4096], [5 * 1024 * KIB, 17]]) t.same(lengths(await cut(bytes, sizes)), whole, sizes.join(' '))
})

await t.test('bytes put in at the front or in the middle, taken away or changed move few chunks', async t => {
  const bytes = seeded(8_000_000, 7)
  const known = new Set((await cut(bytes)).map(chunk => createHash('sha256').update(chunk).digest('hex')))
  const fresh = async (changed: Buffer): Promise<number> => (await cut(changed)).filter(chunk => !known.has(createHash('sha256').update(chunk).digest('hex'))).length
  t.equal(await fresh(bytes), 0)
  const changed = Buffer.from(bytes)
  changed.fill(0, 4_000_000, 4_000_100)
  for (const [what, other] of Object.entries({
    'one byte at the front': Buffer.concat([Buffer.from('x'), bytes]), '100,000 bytes at the front': Buffer.concat([seeded(100_000, 8), bytes]),
    '7 bytes in the middle': Buffer.concat([bytes.subarray(0, 4_000_000), Buffer.from('seven!!'), bytes.subarray(4_000_000)]), 'a million bytes gone': Buffer.concat([bytes.subarray(0, 2_000_000), bytes.subarray(3_000_000)]), '100 bytes in place': changed,
  })) {
    const count = await fresh(other)
    t.ok(count <= 5, `${what}: ${count} of ${known.size} chunks`)
  }
})
