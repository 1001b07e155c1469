import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listMedia, resolveMedia } from '../../../importer/media/media.ts'

await t.test('only plain files under a media root are read, wherever a link leads', async t => {
  const folder = t.testdir({ media: { stick: { 'a.drydock': 'bundle', 'notes.txt': 'x' } }, outside: { 'b.drydock': 'not ours to read' } })
  const roots = [join(folder, 'media')]
  const inside = join(folder, 'media', 'stick', 'a.drydock')
  symlinkSync(join(folder, 'outside', 'b.drydock'), join(folder, 'media', 'link.drydock'))
  symlinkSync(inside, join(folder, 'alias'))
  mkdirSync(join(folder, 'media-other'))
  writeFileSync(join(folder, 'media-other', 'c.drydock'), 'x')
  t.equal(await resolveMedia(inside, roots), inside)
  t.equal(await resolveMedia(join(folder, 'alias'), roots), inside, 'a link that leads inside is one')
  for (const path of ['media/link.drydock', 'outside/b.drydock', 'media/../outside/b.drydock', 'media-other/c.drydock', 'media/stick', 'media/none']) {
    await t.rejects(resolveMedia(join(folder, path), roots), { code: 'DD-IMPORT-013' }, path)
  }
  await t.rejects(resolveMedia(join(folder, 'media/none'), roots), { message: /found no such file$/, hint: /give the whole path/ }, 'a wrong path is not called a medium that is not mounted')
  await t.rejects(resolveMedia(inside, []), { code: 'DD-IMPORT-013' }, 'without roots nothing')
  t.same(await listMedia([...roots, join(folder, 'none')]), [{ path: inside, size: 6 }])
})
