import t from 'tap'
import { bindingEntry, hasKnownLicence, isLicenceEntry, licenceSummary, licenceText } from '../../../bundles/format/licence.ts'
import type { Item } from '../../../bundles/format/item.ts'

const of = (...licences: string[]) => ({ licences })

await t.test('an item is bound by a licence only when there is no way around it', async t => {
  t.equal(bindingEntry(of('AGPL-3.0-only'), ['AGPL-3.0-only']), 'AGPL-3.0-only')
  t.equal(bindingEntry(of('MIT OR AGPL-3.0-only'), ['AGPL-3.0-only']), undefined)
  t.equal(bindingEntry(of('MIT AND AGPL-3.0-only'), ['AGPL-3.0-only']), 'AGPL-3.0-only')
  t.equal(bindingEntry(of('(MIT OR AGPL-3.0-only) AND (GPL-2.0-only OR AGPL-3.0-only)'), ['AGPL-*', 'GPL-2.0-only']), 'GPL-2.0-only')
  t.equal(bindingEntry(of('MIT', 'AGPL-3.0-only'), ['AGPL-*']), 'AGPL-*', 'several statements all count')
  t.equal(bindingEntry({}, ['AGPL-*']), undefined)
})

await t.test('old ids, families and exceptions mean what people mean by them', async t => {
  t.equal(bindingEntry(of('GPL-2.0'), ['GPL-2.0-only']), 'GPL-2.0-only')
  t.equal(bindingEntry(of('GPL-2.0+'), ['GPL-2.0-or-later']), 'GPL-2.0-or-later')
  t.equal(bindingEntry(of('GPL-2.0-or-later'), ['GPL-2.0-only']), undefined)
  t.equal(bindingEntry(of('LGPL-2.1-only'), ['GPL-*']), undefined)
  t.equal(bindingEntry(of('GPL-2.0-only WITH Classpath-exception-2.0'), ['GPL-2.0-only']), 'GPL-2.0-only')
  t.equal(bindingEntry(of('GPL-2.0-only'), ['GPL-2.0-only WITH Classpath-exception-2.0']), undefined)
  t.equal(bindingEntry(of('UNLICENSED'), ['text:UNLICENSED']), 'text:UNLICENSED')
})

await t.test('an entry that can match nothing is told', async t => {
  for (const entry of ['MIT', 'AGPL-*', 'text:SEE LICENSE IN FILE', 'GPL-2.0-only WITH Classpath-exception-2.0', 'LicenseRef-ours']) t.ok(isLicenceEntry(entry), entry)
  for (const entry of ['AGPL-3.0-onyl', 'agpl-3.0-only', 'MIT OR ISC', '*', 'text:', '']) t.notOk(isLicenceEntry(entry), entry)
})

await t.test('what states no licence that SPDX knows is counted, except kinds that have none', async t => {
  const item = (kind: Item['kind'], licences?: string[]): Item => ({ kind, name: 'a', version: '1', metadata: {}, blobs: [], source: '', ...(licences === undefined ? {} : { licences }) })
  t.same([item('npm'), item('npm', ['BSD']), item('npm', ['ISC']), item('file'), item('role')].map(hasKnownLicence), [false, false, true, true, true])
  t.same(licenceSummary([item('npm', ['ISC']), item('npm', ['MIT']), item('deb', ['MIT']), item('npm', ['BSD']), item('pypi'), item('file')]), {
    known: [{ licence: 'MIT', items: 2 }, { licence: 'ISC', items: 1 }], unknown: [{ licence: 'BSD', items: 1 }], silent: 1,
  })
  t.equal(licenceText(of('MIT OR ISC', 'Zlib')), '(MIT OR ISC) AND Zlib')
  t.equal(licenceText({ licenceClaims: ['BSD', 'see COPYING'] }), 'BSD; see COPYING')
  t.notOk(hasKnownLicence({ kind: 'pypi', licenceClaims: ['MIT'] }), 'a claim is words, even when they look like an id')
})
