import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { KINDS, makeImage } from '../../support/media-images.ts'
import { buildGuest, UsbGuest } from '../../support/usb-guest.ts'

/** Debian's kernel is fetched by apt and emulated: about a minute. */
t.setTimeout(280_000)

const MIB = 1024 * 1024
const NAME = 'Werkzeuge für Prüfstände 工具 0007.v1-of-1.drydock'
const folder = mkdtempSync(join(tmpdir(), 'drydock-usb-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** A folder with one bundle, and its digest. What is emulated is slow: no more bytes than it takes. */
function sourceOf(length: number): { source: string; sha256: string } {
  const source = mkdtempSync(join(folder, 'source-'))
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < bytes.length; at += 32) createHash('sha256').update(`stick ${at}`).digest().copy(bytes, at)
  writeFileSync(join(source, NAME), bytes)
  return { source, sha256: createHash('sha256').update(bytes).digest('hex') }
}

const small = sourceOf(1.25 * MIB)
/** So large that it is not all read ahead when it is pulled. */
const large = sourceOf(6 * MIB)

const blocks = Object.fromEntries(KINDS.map((_, k) => [`stick${k}`, join(folder, `image-${k}`)]))
for (const [k, kind] of KINDS.entries()) makeImage(kind, small.source, blocks[`stick${k}`]!, { label: `STICK${k}` })
makeImage('FAT', large.source, join(folder, 'image-pull'), { label: 'PULLED' })

const guest = new UsbGuest(buildGuest(folder), folder, { ...blocks, pull: join(folder, 'image-pull') }, { pull: 2 * MIB })
t.teardown(() => guest.end())
await guest.until('the guest is up', ({ type }) => type === 'up')

for (const [k, kind] of KINDS.entries()) {
  await t.test(`a USB stick with ${kind} is found by Debian's kernel and read by the sandboxed reader and from a mount, with the same bytes`, { timeout: 120_000 }, async t => {
    const from = guest.lines.length
    await guest.plugIn(`stick${k}`)
    const line = await guest.until(`${kind} was read`, ({ type, label }) => type === 'bundle' && label === `STICK${k}`, from)
    t.equal(line['message'], undefined)
    t.match(line, { fileSystem: kind, sandbox: small.sha256, kernel: small.sha256, careless: 'DD-MEDIA-003' }, 'and a careless mount was refused')
    await guest.pull(`stick${k}`)
    await guest.until(`${kind} is gone`, ({ type, label }) => type === 'media.removed' && label === `STICK${k}`, from)
  })
}

await t.test('a stick that is pulled while it is read is told by its name, and read whole when it comes back', { timeout: 120_000 }, async t => {
  await guest.plugIn('pull')
  await guest.until('it is being read', ({ type, label }) => type === 'reading' && label === 'PULLED')
  await guest.pull('pull')
  const failed = await guest.until('the reader noticed', ({ type, label }) => type === 'bundle' && label === 'PULLED')
  t.match(failed, { code: 'DD-MEDIA-001', message: /^expected to read Werkzeuge.*\.drydock on the medium PULLED \(FAT, [0-9A-F-]+\) to its end, found the medium gone or failing/ })
  await guest.until('it is gone', ({ type, label }) => type === 'media.removed' && label === 'PULLED')
  const from = guest.lines.length
  await guest.plugIn('pull')
  t.match(await guest.until('it was read', ({ type, label }) => type === 'bundle' && label === 'PULLED', from), { source: failed['source'], sandbox: large.sha256, kernel: large.sha256 })
})
