import t from 'tap'
import { digestOf } from '../../../appliance/core/digest.ts'
import { armorSignatures, dearmorSignatures, makeKey, parseKeyring, parsePublicKey, secretKeySigner, verifyDetached } from '../../../bundles/openpgp/index.ts'
import { person } from '../../support/bundles.ts'
import { gpgHome } from '../../support/gpg.ts'

const clock = { now: () => new Date() }
const BYTES = Buffer.from('bytes')

await t.test('a key with a passphrase signs only with it', async t => {
  const made = await makeKey({ name: 'Ana Ruiz', passphrase: 'right', created: new Date(Date.now() - 5000) })
  await t.rejects(secretKeySigner({ armored: made.secret, what: 'ana.key', clock }), { code: 'DD-TRUST-011' })
  await t.rejects(secretKeySigner({ armored: made.secret, what: 'ana.key', clock, passphrase: 'wrong' }), { code: 'DD-TRUST-011' })
  const signer = await secretKeySigner({ armored: made.secret, what: 'ana.key', clock, passphrase: 'right' })
  const key = await parsePublicKey(signer.publicKey, 'ana')
  t.match(key, { name: 'Ana Ruiz', fingerprint: made.fingerprint })
  t.match(await verifyDetached(BYTES, await signer.sign(BYTES), [key], new Date()), { signatures: [{ key: { name: 'Ana Ruiz' } }], unknown: [] })
})

await t.test('what is no key, and a secret key in place of a public one, is refused by name', async t => {
  const ana = await person('Ana')
  for (const text of ['', 'hello', ana.secret, ana.public.slice(0, 200), ana.revocation]) await t.rejects(parsePublicKey(text, 'x.pub'), { code: 'DD-TRUST-010', message: /x\.pub/ })
  await t.rejects(secretKeySigner({ armored: ana.public, what: 'x.key', clock }), { code: 'DD-TRUST-010' })
  await t.rejects(parseKeyring(Buffer.from('nothing')), { code: 'DD-TRUST-010' })
  t.same((await parseKeyring(ana.public)).map(({ fingerprint }) => fingerprint), [ana.key.fingerprint])
})

await t.test('a key keeps the bytes that gpg exported: armored anew it has the same SHA-256, and gpg reads it', async t => {
  const gpg = gpgHome(t)
  for (const algorithm of ['ed25519', 'rsa3072']) {
    const exported = await gpg.makeKey(`Gus ${algorithm}`, algorithm)
    const again = await parsePublicKey(exported.key.armored, 'again')
    t.equal(again.keySha256, exported.key.keySha256, algorithm)
    t.equal(exported.key.keySha256, digestOf(gpg.run(['--export', `Gus ${algorithm}`])))
    gpg.run(['--show-keys'], exported.key.armored)
  }
  const both = gpg.run(['--armor', '--export']).toString()
  await t.rejects(parsePublicKey(both, 'all.pub'), { code: 'DD-TRUST-010', message: 'expected one public key in all.pub, found 2' }, 'nobody chooses one of several')
})

await t.test('signatures of several people stand in one block or in several', async t => {
  const [ana, jon] = await Promise.all([person('Ana'), person('Jon')])
  const [one, two] = [await ana.signer.sign(BYTES), await jon.signer.sign(BYTES)]
  for (const text of [one + two, armorSignatures([...dearmorSignatures(one), ...dearmorSignatures(two)])]) {
    const { signatures } = await verifyDetached(BYTES, text, [ana.key, jon.key], new Date())
    t.same(signatures.map(({ key }) => key.name), ['Ana', 'Jon'])
  }
  t.match(await verifyDetached(BYTES, one + two, [jon.key], new Date()), { signatures: { length: 1 }, unknown: [ana.key.fingerprint.slice(-16)] })
})
