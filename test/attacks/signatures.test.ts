import t from 'tap'
import { parsePublicKey } from '../../bundles/openpgp/index.ts'
import { entry, joined, refused, sealed, signatures, stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('too few, wrong or strange signatures are refused before anything else of the bundle is read', async t => {
  const here = await world(t)
  const { ana, jon, eve } = here
  const { entries, manifest } = await here.good()
  const asc = (text: string | Buffer) => joined([entries[0]!, entry('manifest.json.asc', text), ...entries.slice(2)])
  const over = (people: (typeof ana)[], bytes: Uint8Array = entries[0]!.body) => signatures(bytes, people.map(({ signer }) => signer))
  const other = Buffer.from(entries[0]!.body.toString().replace('"sequence":1', '"sequence":2'))

  await refused(t, here, asc(''), 'DD-TRUST-012', 'unsigned')
  await refused(t, here, asc(await over([ana])), 'DD-TRUST-012', 'half-signed')
  await refused(t, here, asc(await over([ana, ana])), 'DD-TRUST-012', 'the threshold met by one key twice')
  await refused(t, here, asc((await over([ana])) + (await over([ana]))), 'DD-TRUST-012', 'the same, in two blocks')
  await refused(t, here, asc(await over([eve])), 'DD-TRUST-012', 'another key')
  await refused(t, here, asc(await over([ana, eve])), 'DD-TRUST-012', 'one trusted and one other key')
  await refused(t, here, asc(await over([ana, jon], other)), 'DD-TRUST-005', 'signatures of another manifest')
  await refused(t, here, joined(await sealed(entries, { ...manifest, sequence: 2 }, [])), 'DD-TRUST-012', 'another manifest without signatures')
  await refused(t, here, asc(eve.public + (await over([ana, eve]))), 'DD-TRUST-002', 'a key in front of the signatures')
  await refused(t, here, joined([entries[0]!, entry('manifest.json.asc', await over([ana, eve])), entry('eve.pub', eve.public), ...entries.slice(2)]), 'DD-TRUST-012', 'the key inside the bundle')
  await refused(t, here, asc('-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n'), 'DD-TRUST-002', 'zero packets')
  await refused(t, here, asc(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${entries[0]!.body.toString()}\n${await over([ana, jon])}`), 'DD-TRUST-002', 'a cleartext signature')
  await refused(t, here, asc((await over([ana, jon])).replaceAll('PGP SIGNATURE', 'PGP MESSAGE')), 'DD-TRUST-002', 'an inline message')
  await refused(t, here, asc((await over([ana, jon])).replace('\n\n', '\nComment: hello\n\n')), 'DD-TRUST-002', 'an armor header')
  await refused(t, here, asc((await over([ana, jon])).replaceAll('\n', '\r\n')), 'DD-TRUST-002', 'line ends of another system')
  await refused(t, here, asc(`${await over([ana, jon])}trailing`), 'DD-TRUST-002', 'text after the signatures')
  await refused(t, here, asc(Buffer.alloc(64 * 1024 + 1, 'x')), 'DD-BUNDLE-010', 'a signature file over its limit')

  await t.test('a stranger may sign beside those who count', async t => {
    const beside = await here.good({ sequence: 1, signers: [eve.signer, ana.signer, jon.signer] })
    t.match(await here.site.importBundle(beside.file), { state: 'imported', preflight: { signers: [{ name: 'Ana Ruiz' }, { name: 'Jon Berg' }] } })
  })
  await stillImports(t, here, { sequence: 2 })
  t.equal((await parsePublicKey(ana.public, 'ana')).name, 'Ana Ruiz')
})
