import { config, createMessage, enums, generateKey, readPrivateKey, revokeKey, sign, type Config } from 'openpgp'
import t, { type Test } from 'tap'
import { digestFromHex } from '../../appliance/core/digest.ts'
import { parsePublicKey, verifyDetached, armorSignatures } from '../../bundles/openpgp/index.ts'
import { loadTrust } from '../../importer/verify/index.ts'
import { person, trustOf } from '../support/bundles.ts'
import { gpgHome } from '../support/gpg.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

const BYTES = Buffer.from('{"what":"is signed"}\n')
const HOUR = 3_600_000
const NOW = new Date()
const ago = (hours: number): Date => new Date(Math.floor(NOW.getTime() / 1000) * 1000 - hours * HOUR)

async function signAs(secret: string, date: Date): Promise<string> {
  const signingKeys = await readPrivateKey({ armoredKey: secret })
  const bytes = await sign({ message: await createMessage({ binary: BYTES }), signingKeys, detached: true, format: 'binary', date })
  return armorSignatures([bytes as Uint8Array])
}

async function refusedWith(t: Test, code: string, armored: string, publicKey: string, at: Date = NOW): Promise<void> {
  await t.rejects(verifyDetached(BYTES, armored, [await parsePublicKey(publicKey, 'test')], at), { code })
}

await t.test('gpg: text mode, SHA-1, short RSA, DSA and keys that certify themselves with SHA-1 are refused', async t => {
  const gpg = gpgHome(t)
  const good = await gpg.makeKey('good', 'ed25519')
  t.equal((await verifyDetached(BYTES, gpg.sign('good', BYTES), [good.key], new Date(Date.now() + 1000))).signatures.length, 1, 'what gpg makes by default is accepted')
  const later = new Date(Date.now() + 60_000)
  await refusedWith(t, 'DD-TRUST-003', gpg.sign('good', BYTES, '--textmode'), good.public, later)
  await refusedWith(t, 'DD-TRUST-004', gpg.sign('good', BYTES, '--digest-algo', 'SHA1'), good.public, later)
  await refusedWith(t, 'DD-TRUST-004', gpg.sign('good', BYTES, '--digest-algo', 'RIPEMD160'), good.public, later)
  await refusedWith(t, 'DD-TRUST-014', gpg.sign('good', BYTES, '--default-sig-expire', '1d'), good.public, new Date(Date.now() + 72 * HOUR))
  const short = await gpg.makeKey('short', 'rsa2048')
  await refusedWith(t, 'DD-TRUST-004', gpg.sign('short', BYTES), short.public, later)
  const dsa = await gpg.makeKey('dsa', 'dsa2048')
  await refusedWith(t, 'DD-TRUST-004', gpg.sign('dsa', BYTES), dsa.public, later)
  const selfSha1 = await gpg.makeKey('selfsha1', 'ed25519', '--cert-digest-algo', 'SHA1')
  await t.rejects(verifyDetached(BYTES, gpg.sign('selfsha1', BYTES), [selfSha1.key], later), { code: /DD-TRUST-0(06|13)/ })
})

await t.test('expired keys are refused, also when the signature is dated inside their life', async t => {
  const made = await generateKey({ userIDs: [{ name: 'old' }], type: 'ecc', curve: 'ed25519Legacy', subkeys: [], date: ago(10), keyExpirationTime: 5 * 3600, format: 'armored' })
  const inLife = await signAs(made.privateKey, ago(9))
  await refusedWith(t, 'DD-TRUST-006', inLife, made.publicKey)
  t.equal((await verifyDetached(BYTES, inLife, [await parsePublicKey(made.publicKey, 'old')], ago(8))).signatures.length, 1, 'it was good while the key was')
})

await t.test('revoked keys are refused for whatever reason, and whenever they signed', async t => {
  const made = await generateKey({ userIDs: [{ name: 'gone' }], type: 'ecc', curve: 'ed25519Legacy', subkeys: [], date: ago(10), format: 'armored' })
  const before = await signAs(made.privateKey, ago(9))
  for (const flag of [enums.reasonForRevocation.noReason, enums.reasonForRevocation.keySuperseded, enums.reasonForRevocation.keyRetired, enums.reasonForRevocation.keyCompromised]) {
    for (const date of [ago(1), new Date(NOW.getTime() + 1000 * HOUR)]) {
      const { publicKey } = await revokeKey({ key: await readPrivateKey({ armoredKey: made.privateKey }), reasonForRevocation: { flag, string: '' }, date, format: 'armored' })
      await refusedWith(t, 'DD-TRUST-007', before, publicKey)
    }
  }
})

await t.test('a signature from the future tells of a wrong clock, not of a bad signature', async t => {
  const ana = await person('Ana', ago(10))
  await refusedWith(t, 'DD-TRUST-008', await signAs(ana.secret, new Date(NOW.getTime() + 48 * HOUR)), ana.public)
  await refusedWith(t, 'DD-TRUST-008', await signAs(ana.secret, ago(1)), ana.public, new Date('1970-01-01T00:00:00Z'))
  for (const year of ['2038-02-01T00:00:00Z', '2106-03-01T00:00:00Z']) {
    t.equal((await verifyDetached(BYTES, await signAs(ana.secret, ago(1)), [ana.key], new Date(year))).signatures.length, 1, `${year} is a date like any other`)
  }
})

await t.test('a subkey counts for its owner only when it signed back', async t => {
  const made = await generateKey({ userIDs: [{ name: 'sub' }], type: 'ecc', curve: 'ed25519Legacy', subkeys: [{ sign: true }], date: ago(2), format: 'armored' })
  const signature = await signAs(made.privateKey, ago(1))
  const owner = await parsePublicKey(made.publicKey, 'sub')
  const { signatures } = await verifyDetached(BYTES, signature, [owner], NOW)
  t.equal(signatures[0]?.key.fingerprint, owner.fingerprint, 'the primary key is who signed')
  const secret = await readPrivateKey({ armoredKey: made.privateKey })
  const { keyPacket: bind, bindingSignatures: [binding] } = secret.subkeys[0]!
  binding!.embeddedSignature = null
  binding!.rawNotations = []
  // The library's own types leave out the last argument.
  const signAnew = binding!.sign.bind(binding) as (key: object, data: object, date: Date, detached: boolean, settings: Config) => Promise<void>
  await signAnew(secret.keyPacket, { key: secret.keyPacket, bind }, ago(2), false, config)
  await refusedWith(t, 'DD-TRUST-013', signature, secret.toPublic().armor())
})

await t.test('a key that somebody put under another name in trust.json is found out', async t => {
  const [ana, eve] = await Promise.all([person('Ana'), person('Eve')])
  const trust = trustOf([ana])
  trust.keys[0]!.publicKey = eve.public
  await t.rejects(loadTrust(trust), { code: 'DD-TRUST-001' })
  const sameName = trustOf([ana])
  sameName.keys[0]!.keySha256 = digestFromHex('0'.repeat(64))
  await t.rejects(loadTrust(sameName), { code: 'DD-TRUST-001' })
  const alone = trustOf([ana])
  alone.roles.release.threshold = 2
  await t.rejects(loadTrust(alone), { code: 'DD-TRUST-001' })
})
