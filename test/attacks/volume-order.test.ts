import t from 'tap'
import { entry, joined, nameOf, refused, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('a volume holds exactly the entries of its index, in their order', async t => {
  const here = await world(t)
  const { entries } = await here.good({ files: { a: 'first', b: 'second!', c: 'third one' } })
  const [head, blobs] = [entries.slice(0, 3), entries.slice(3)]
  t.equal(blobs.length, 3)
  const [one, two, three] = blobs as [(typeof entries)[0], (typeof entries)[0], (typeof entries)[0]]
  const evil = entry(`blobs/${'0'.repeat(64)}`, 'evil')

  await refused(t, here, joined([...head, one, two, three, evil]), 'DD-BUNDLE-007', 'an entry that is not in the index, at the end')
  await refused(t, here, joined([...head, evil, one, two, three]), 'DD-BUNDLE-007', 'the same, in front')
  await refused(t, here, joined([...head, one, two]), 'DD-BUNDLE-007', 'an entry is missing at the end')
  await refused(t, here, joined([...head, one, three]), 'DD-BUNDLE-007', 'an entry is missing in the middle')
  await refused(t, here, joined([...head, two, one, three]), 'DD-BUNDLE-007', 'wrong order')
  await refused(t, here, joined([...head, one, one, two, three]), 'DD-BUNDLE-007', 'an entry twice')
  await refused(t, here, joined([...head, entry(nameOf(one), 'firsT'), two, three]), 'DD-BUNDLE-008', 'other bytes of the same size')
  await refused(t, here, joined([...head, entry(nameOf(one), 'first and more'), two, three]), 'DD-BUNDLE-007', 'another size')
  await refused(t, here, joined([...head, entry(nameOf(two), one.body), two, three]), 'DD-BUNDLE-007', 'a name of another entry')
  await refused(t, here, joined([entries[1]!, entries[0]!, ...entries.slice(2)]), 'DD-BUNDLE-007', 'the signature before the manifest')
  await refused(t, here, joined(entries.slice(1)), 'DD-BUNDLE-007', 'no manifest')
  await refused(t, here, joined([entries[0]!, ...entries.slice(2)]), 'DD-BUNDLE-007', 'no signature file')
  await refused(t, here, joined([entries[0]!, entries[1]!, one, two, three]), 'DD-BUNDLE-007', 'no index')
  await refused(t, here, joined([entry('manifest.json', Buffer.alloc(8 * 1024 * 1024 + 1)), ...entries.slice(1)]), 'DD-BUNDLE-010', 'a manifest over its limit')
  await stillImports(t, here)
})
