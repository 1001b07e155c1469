import { unlinkSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { rescanWaits } from '../../../appliance/api/rescan-waits.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import { eicarDefinitions, infected } from '../../support/eicar.ts'
import type { Site } from '../../support/import-site.ts'
import { bringDefinitions, publish, rescan, siteOf, V1 } from './rescan-site.ts'

t.setTimeout(180_000)

const blockers = (site: Site) => site.rescans.findings().filter(({ severity }) => severity === 'blocker')

await t.test('what is published under a name that no version stands for is found, and stays found until the file itself is gone', async t => {
  const site = await siteOf(t)
  await bringDefinitions(site, 1, { 'evil.ndb': `Evil:0:*:${Buffer.from('something evil').toString('hex')}\n` }, V1)
  const paths = [publish(site, 'at', '1@2', Buffer.from('something evil, first'), 'at-1@2.tgz'), publish(site, 'odd3', '1.0.0', Buffer.from('something evil, second'), 'Odd3-9.9.9.tgz'), publish(site, 'odd', '1.0.0', Buffer.from('something evil, third'), 'evil.zip')]
  await rescan(site)
  t.same(new Map(blockers(site).map(({ text, unpublish }) => [text, unpublish])), new Map([
    ['clamav found Evil.UNOFFICIAL in @site/at, published here (at-1@2.tgz)', "npm unpublish '@site/at' --force"],
    ['clamav found Evil.UNOFFICIAL in @site/odd, published here (evil.zip)', "npm unpublish '@site/odd' --force"],
    ['clamav found Evil.UNOFFICIAL in @site/odd3, published here (Odd3-9.9.9.tgz)', "npm unpublish '@site/odd3' --force"],
  ]))
  for (const [k, path] of paths.entries()) {
    unlinkSync(path)
    t.equal(blockers(site).length, 2 - k)
  }
})

await t.test('the same bytes under many names alarm until the last of them is gone, and the next ones are named when the first are', async t => {
  const site = await siteOf(t, { rescanBatch: { files: 9, bytes: 10_000_000 } })
  await bringDefinitions(site, 1, { 'evil.ndb': `Evil:0:*:${Buffer.from('something evil').toString('hex')}\n` }, V1)
  // In two batches.
  const paths = Array.from({ length: 12 }, (_, k) => publish(site, `p${String(k).padStart(2, '0')}`, '1.0.0', Buffer.from('something evil')))
  t.match(await rescan(site), { findings: [{ text: /^clamav found \S+ in @site\/p00 1\.0\.0, published here and 8 more \(p00-1\.0\.0\.tgz\)$/ }, { text: /and 2 more/ }] })
  t.same(blockers(site).map(({ items }) => items), [[0, 1, 2, 3, 4, 5, 6, 7].map(k => `npm:@site/p0${k}@1.0.0`)])
  for (const path of paths.slice(0, 8)) unlinkSync(path)
  t.match(blockers(site).map(({ unpublish }) => unpublish), [['p08', 'p09', 'p10', 'p11'].map(name => `npm unpublish '@site/${name}@1.0.0'`).join(' && ')])
  for (const path of paths.slice(8, 11)) unlinkSync(path)
  t.match(blockers(site), [{ items: ['npm:@site/p11@1.0.0'] }])
  unlinkSync(paths[11]!)
  t.same(blockers(site), [])
})

await t.test('what people published into the private npm registry is looked at too, is named as theirs, and is gone when they take it away', async t => {
  const site = await siteOf(t, { rescanBatch: { files: 2, bytes: 10_000_000 } })
  await bringDefinitions(site, 1, eicarDefinitions(), V1)
  const { 'evil-1.0.0.tgz': evil } = infected(site.folder)
  const good = gzipSync('good')
  const path = publish(site, 'evil', '1.0.0', evil!)
  for (const [name, version] of [['evil', '2.0.0'], ['tool', '1.0.0'], ['tool', '1.1.0-rc.1']] as const) publish(site, name, version, good)
  publish(site, 'zz-copy', '0.1.0', evil!)

  await rescan(site)
  const before = site.fingerprint()
  const looked = await rescan(site)
  t.equal(site.fingerprint(), before, 'nothing is changed or left by it')
  t.match(looked, { state: 'succeeded', blobs: { done: 7, total: 7 }, rest: [] })
  const found = site.rescans.findings().filter(({ severity }) => severity === 'blocker')
  t.same([...new Set(found.flatMap(({ items }) => items))], ['npm:@site/evil@1.0.0', 'npm:@site/zz-copy@0.1.0'])
  t.match(found[0], { published: true, imports: [], broughtBy: [], recall: null, digest: digestOf(evil!), text: /^clamav found \S+ in @site\/evil 1\.0\.0, published here \(evil-1\.0\.0\.tgz\)$/, unpublish: 'npm unpublish \'@site/evil@1.0.0\'' })
  t.match(rescanWaits({ rescans: site.rescans })[0], { text: /published here .*: it is served until somebody who may publish takes it away$/, hint: /^npm unpublish/ })
  t.match(site.events().find(({ subject }) => subject === 'item:npm:@site/evil@1.0.0'), { type: 'rescan.found' })

  unlinkSync(path)
  t.same([...new Set(site.rescans.findings().flatMap(({ items }) => items))], ['npm:@site/zz-copy@0.1.0'], 'what is no longer here alarms nobody')
})
