import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { answering, openPlainFile, readingPlaces, type OpenMedia, type Places } from '../../../importer/unpack/index.ts'

const byFolder = (waitMs: number, own = '/own'): Places => readingPlaces({ placeOf: dirname, own, waitMs })
const pause = async (ms: number): Promise<void> => await new Promise(resolve => setTimeout(resolve, ms))

/** A disc that starts up: its first opening lasts until it is let go. */
function startingUp(): { openMedia: OpenMedia; opened: string[]; started(): void } {
  const start = Promise.withResolvers<void>()
  const opened: string[] = []
  return {
    opened,
    started: () => start.resolve(),
    async openMedia(source) {
      opened.push(source)
      if (opened.length === 1) await start.promise
      return await openPlainFile(source)
    },
  }
}

await t.test('a slow device on which somebody cancelled is waited for, not called hung', async t => {
  const folder = t.testdir({ a: 'a', b: 'b' })
  const disc = startingUp()
  const openMedia = answering(disc.openMedia, byFolder(5_000))
  const cancel = new AbortController()
  const first = openMedia(join(folder, 'a'), cancel.signal)
  cancel.abort()
  await t.rejects(first, { code: 'DD-CORE-007' })
  const second = openMedia(join(folder, 'b'))
  await pause(50)
  t.equal(disc.opened.length, 1, 'one read at a time')
  disc.started()
  const media = await second
  const bytes = Buffer.alloc(1)
  t.equal(await media.head.read(bytes), 1)
  t.equal(bytes.toString(), 'b')
  await media.close()
})

await t.test('who waits for a read that never ends can cancel, and hears after the time of a read of his own that the device hangs', async t => {
  const folder = t.testdir({ a: 'a', b: 'b' })
  const disc = startingUp()
  const openMedia = answering(disc.openMedia, byFolder(300))
  await t.rejects(openMedia(join(folder, 'a')), { code: 'DD-MEDIA-006', message: /found nothing for 0.3 s$/ })
  const cancel = new AbortController()
  const waiting = openMedia(join(folder, 'b'), cancel.signal)
  cancel.abort()
  await t.rejects(waiting, { code: 'DD-CORE-007' })
  const began = performance.now()
  await t.rejects(openMedia(join(folder, 'b')), { code: 'DD-MEDIA-006', message: /not answered to an earlier read/ })
  t.ok(performance.now() - began > 250, 'not at once')
  t.same(disc.opened, [join(folder, 'a')])
  disc.started()
})

await t.test('a medium is closed when its close is over, also while it was read ahead; only one that was left behind is not waited for', async t => {
  const folder = t.testdir({ a: 'a' })
  for (const hangs of [false, true]) {
    const answer = Promise.withResolvers<number>()
    let isClosed = false
    const openMedia = answering(async source => {
      const media = await openPlainFile(source)
      return { ...media, head: { read: async () => await answer.promise }, async close() {
        await answer.promise
        await media.close()
        isClosed = true
      } }
    }, byFolder(300))
    const media = await openMedia(join(folder, 'a'))
    const ahead = media.head.read(Buffer.alloc(1))
    if (hangs) await t.rejects(ahead, { code: 'DD-MEDIA-006' })
    else setTimeout(() => answer.resolve(0), 50)
    await media.close()
    t.equal(isClosed, !hangs)
    answer.resolve(0)
  }
})

await t.test('what was to be read ahead behind another read is not read any more once it is closed', async t => {
  const folder = t.testdir({ a: 'a' })
  const places = byFolder(5_000)
  const other = Promise.withResolvers<void>()
  const media = await answering(openPlainFile, places)(join(folder, 'a'))
  const before = places.answered({ source: 'other', place: folder }, async () => await other.promise)
  const ahead = media.head.read(Buffer.alloc(1))
  await media.close()
  other.resolve()
  await before
  t.equal(await ahead, 0)
})

await t.test('a medium that hangs in one drive is read in another one', async t => {
  const folder = t.testdir({ a: 'a' })
  const disc = startingUp()
  let drive = 'medium:/dev/sr0'
  const openMedia = answering(disc.openMedia, readingPlaces({ placeOf: () => drive, own: '/', waitMs: 200 }))
  await t.rejects(openMedia(join(folder, 'a')), { code: 'DD-MEDIA-006', hint: /in another drive/ })
  await t.rejects(openMedia(join(folder, 'a')), { code: 'DD-MEDIA-006' })
  drive = 'medium:/dev/sr1'
  const media = await openMedia(join(folder, 'a'))
  await media.close()
  disc.started()
})

await t.test('mounts that hang take two of the four threads that read files: the appliance and its own disk go on', async t => {
  const names = ['one', 'two', 'three', 'four', 'five']
  const folder = t.testdir({ ...Object.fromEntries(names.map(name => [name, {}])), own: { file: 'served' } })
  const pipes = names.map(name => join(folder, name, 'pipe'))
  // Opened for reading, a pipe that nobody writes into holds a thread of the kernel's, as a mount does that does not answer.
  execFileSync('mkfifo', pipes)
  const places = byFolder(500, join(folder, 'own'))
  const hangs = pipes.map(async source => await places.answered({ source, place: places.of(source) }, async () => await (await open(source)).close()))
  const told = await Promise.allSettled(hangs)
  t.match(told.map(one => one.status === 'rejected' && String(one.reason)), [/found nothing for/, /found nothing for/, ...Array<RegExp>(3).fill(/found .*\/one and .*\/two hanging/)])
  t.equal(await Promise.race([readFile(join(folder, 'own/file'), 'utf8'), pause(5_000)]), 'served', 'there is a thread left')
  const own = await answering(openPlainFile, places)(join(folder, 'own/file'))
  await own.close()
  // What our disk only links to may be on one of them.
  t.equal(await places.resolved(join(folder, 'own/link'), AbortSignal.timeout(5_000), async () => 'found'), 'found')
  for (const pipe of pipes) closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK))
  await pause(100)
  writeFileSync(join(folder, 'five/file'), 'back')
  const back = await answering(openPlainFile, places)(join(folder, 'five/file'))
  await back.close()
})

await t.test('a link on our disk that leads to what hangs does not hold up what lies here', async t => {
  const folder = t.testdir({ file: 'uploaded' })
  const places = byFolder(200, folder)
  const never = Promise.withResolvers<string>()
  await t.rejects(places.resolved(join(folder, 'link'), AbortSignal.timeout(5_000), async () => await never.promise), { code: 'DD-MEDIA-006' })
  const media = await answering(openPlainFile, places)(join(folder, 'file'))
  await media.close()
  never.resolve('')
})
