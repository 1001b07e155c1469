import { writeFileSync } from 'node:fs'
import t from 'tap'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { rolesNeeded } from '../../bundles/format/manifest-file.ts'
import { entry, joined, nameOf, refused, sealed, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('a manifest that is signed but has more than one reading is refused', async t => {
  const here = await world(t)
  const { entries, manifest } = await here.good()
  const text = canonicalJson(manifest)
  const signed = async (body: string | Buffer): Promise<Buffer> => joined(await sealed(entries, typeof body === 'string' ? Buffer.from(body) : body, here.signers))
  const withField = (field: string): string => text.replace('{"created"', `{${field},"created"`)
  const strict: [string, string | Buffer][] = [
    ['duplicate keys', text.replace('"epoch":0', '"epoch":0,"epoch":0')],
    ['duplicate keys with other values', text.replace('"sequence":1', '"sequence":9,"sequence":1')],
    ['__proto__', withField('"__proto__":{"site":"*"}')],
    ['1e400', text.replace('"sequence":1', '"sequence":1e400')],
    ['2^53 + 1', text.replace('"sequence":1', '"sequence":9007199254740993')],
    ['2^53', text.replace('"sequence":1', '"sequence":9007199254740992')],
    ['another spelling of 1', text.replace('"sequence":1', '"sequence":1.0')],
    ['an escape that is not needed', text.replace('"drydock"', '"\\u0064rydock"')],
    ['white space', text.replace('"epoch":0', '"epoch": 0')],
    ['another order of keys', `{"workspace":${JSON.stringify(manifest.workspace)},${text.slice(1).replace(/,"workspace":"[^"]*"/, '')}`],
    ['depth 10^5', withField(`"a":${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
    ['depth 65', withField(`"a":${'['.repeat(65)}${']'.repeat(65)}`)],
    ['a byte order mark', `\ufeff${text}`],
    ['UTF-16', Buffer.from(text, 'utf16le')],
    ['bytes that are not UTF-8', Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff]), Buffer.from('}')])],
    ['half a surrogate pair', withField('"a":"\\ud800"')],
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['a second document behind it', `${text}${text}`],
    ['a newline behind it', `${text}\n`],
  ]
  for (const [why, body] of strict) await refused(t, here, await signed(body), 'DD-BUNDLE-009', why)

  const shaped: [string, object, 'DD-BUNDLE-011' | 'DD-CORE-009'][] = [
    ['an unknown format', { ...manifest, format: 'drydock-bundle/2' }, 'DD-BUNDLE-011'],
    ['an unknown critical field', { ...manifest, critical: ['quantum'], quantum: true }, 'DD-BUNDLE-011'],
    ['another product', { ...manifest, product: 'wetdock' }, 'DD-CORE-009'],
    ['"1" for 1', { ...manifest, sequence: '1' }, 'DD-CORE-009'],
    ['a sequence of 0', { ...manifest, sequence: 0 }, 'DD-CORE-009'],
    ['a negative sequence', { ...manifest, sequence: -1 }, 'DD-CORE-009'],
    ['a name with a slash', { ...manifest, name: '../x' }, 'DD-CORE-009'],
    ['no volumes', { ...manifest, volumes: [] }, 'DD-CORE-009'],
    ['an index part by another name', { ...manifest, index: manifest.index.map(part => ({ ...part, name: 'index/../0' })) }, 'DD-CORE-009'],
  ]
  for (const [why, value, code] of shaped) await refused(t, here, await signed(canonicalJson(value)), code, why)

  const posing = { ...manifest, totals: { ...manifest.totals, items: { ...manifest.totals.items, constructor: 1 } } }
  t.same(rolesNeeded(posing), ['release'], 'a kind with the name of a property needs the role that every unknown kind needs')
  await refused(t, here, await signed(canonicalJson(posing)), 'DD-BUNDLE-012', 'a kind with the name of a property')
  const heavy = { ...manifest, index: manifest.index.map(part => ({ ...part, size: 9_000_000 })) }
  const fat = await sealed(entries, heavy, here.signers)
  await refused(t, here, joined(fat.map(each => (nameOf(each).startsWith('index/') ? entry(nameOf(each), Buffer.alloc(9_000_000)) : each))), 'DD-BUNDLE-010', 'a part of the index that is larger than memory should hold')

  const future = joined(await sealed(entries, { ...manifest, colour: 'blue' }, here.signers))
  const path = `${here.folder}/future.drydock`
  writeFileSync(path, future)
  t.match(await here.site.importBundle(path), { state: 'imported' }, 'a field of the future that is not critical is ignored')
  await stillImports(t, here, { sequence: 2 })
})
