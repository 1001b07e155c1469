import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { gpgSigner, parsePublicKey, verifyDetached } from '../../../bundles/openpgp/index.ts'
import { person } from '../../support/bundles.ts'
import { gpgHome } from '../../support/gpg.ts'

t.setTimeout(240_000)

const MANIFEST = Buffer.from('{"what":"is signed","lines":"\\r\\n"}\r\n\r\n trailing blanks \n')
const OTHER = Buffer.from(MANIFEST.toString().replace('signed', 'forged'))
const soon = (): Date => new Date(Date.now() + 60_000)

/** Sequoia's stateless OpenPGP command (draft-dkg-openpgp-stateless-cli): a second implementation that shares no code with ours or GnuPG. */
function sqop(t: Test): { folder: string; run(args: readonly string[], input?: Uint8Array | string): string; file(name: string, bytes: Uint8Array | string): string; verifies(signature: string, certificate: string, bytes: Uint8Array): boolean } {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-sqop-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, bytes: Uint8Array | string): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  return {
    folder, file,
    run: (args, input = '') => execFileSync('sqop', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }),
    verifies: (signature, certificate, bytes) => spawnSync('sqop', ['verify', file('signature.asc', signature), file('certificate.asc', certificate)], { input: bytes }).status === 0,
  }
}

await t.test('what we sign, GnuPG and Sequoia verify; of other bytes both say no', async t => {
  const ana = await person('Ana Ruiz')
  const signature = await ana.signer.sign(MANIFEST)
  const sequoia = sqop(t)
  t.ok(sequoia.verifies(signature, ana.public, MANIFEST))
  t.notOk(sequoia.verifies(signature, ana.public, OTHER))
  const gpg = gpgHome(t)
  gpg.run(['--import', sequoia.file('ana.pub', ana.public)])
  const [good, forged] = [sequoia.file('manifest', MANIFEST), sequoia.file('forged', OTHER)]
  const asc = sequoia.file('manifest.asc', signature)
  gpg.run(['--verify', asc, good])
  t.throws(() => gpg.run(['--verify', asc, forged]))
})

await t.test('what Sequoia signs with a key of its own, a signing subkey under a certifying primary, verifies here', async t => {
  const sequoia = sqop(t)
  const secret = sequoia.run(['generate-key', 'Jon Berg'])
  const certificate = sequoia.run(['extract-cert'], secret)
  const signature = sequoia.run(['sign', sequoia.file('jon.key', secret)], MANIFEST)
  const jon = await parsePublicKey(certificate, 'jon')
  const { signatures } = await verifyDetached(MANIFEST, signature, [jon], soon())
  t.same(signatures.map(({ key }) => key.fingerprint), [jon.fingerprint], 'the primary key is who signed')
  await t.rejects(verifyDetached(OTHER, signature, [jon], soon()), { code: 'DD-TRUST-005' })
  const text = sequoia.run(['sign', '--as=text', sequoia.file('jon.key', secret)], 'plain text\n')
  await t.rejects(verifyDetached(Buffer.from('plain text\n'), text, [jon], soon()), { code: 'DD-TRUST-003' }, 'a text signature of its is refused like anybody’s')
})

await t.test('every kind of key that GnuPG may hold signs for us, and Sequoia agrees', async t => {
  const gpg = gpgHome(t)
  const sequoia = sqop(t)
  for (const algorithm of ['ed25519', 'nistp256', 'nistp384', 'nistp521', 'rsa3072', 'rsa4096']) {
    const made = await gpg.makeKey(`${algorithm} alone`, algorithm)
    const signer = await gpgSigner({ user: made.key.fingerprint, homedir: gpg.homedir })
    const signature = await signer.sign(MANIFEST)
    t.equal((await verifyDetached(MANIFEST, signature, [made.key], soon())).signatures.length, 1, `${algorithm}: here`)
    await t.rejects(verifyDetached(OTHER, signature, [made.key], soon()), { code: 'DD-TRUST-005' }, `${algorithm}: other bytes`)
    t.ok(sequoia.verifies(signature, made.public, MANIFEST), `${algorithm}: Sequoia`)
  }
})

await t.test('curves that the library does not take are refused by name', async t => {
  const gpg = gpgHome(t)
  for (const curve of ['brainpoolP256r1', 'secp256k1']) {
    const made = await gpg.makeKey(curve, curve)
    await t.rejects(verifyDetached(MANIFEST, gpg.sign(curve, MANIFEST), [made.key], soon()), { code: 'DD-TRUST-004', message: new RegExp(curve) })
  }
})

await t.test('signing subkeys under a primary that only certifies, as smartcards have them, count for their owner', async t => {
  const gpg = gpgHome(t)
  const sequoia = sqop(t)
  for (const [primary, sub] of [['ed25519', 'ed25519'], ['rsa4096', 'rsa3072'], ['nistp256', 'nistp256/ecdsa'], ['ed25519', 'rsa3072']] as const) {
    const name = `${sub} under ${primary}`
    gpg.run(['--quick-gen-key', name, primary, 'cert', 'never'])
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(gpg.run(['--with-colons', '--list-keys', name]).toString())![1]!
    gpg.run(['--quick-add-key', fingerprint, sub, 'sign', 'never'])
    const certificate = gpg.run(['--armor', '--export', fingerprint]).toString()
    const owner = await parsePublicKey(certificate, name)
    const signature = await (await gpgSigner({ user: fingerprint, homedir: gpg.homedir })).sign(MANIFEST)
    const { signatures } = await verifyDetached(MANIFEST, signature, [owner], soon())
    t.same(signatures.map(({ key }) => key.fingerprint), [fingerprint], name)
    t.ok(sequoia.verifies(signature, certificate, MANIFEST), `${name}: Sequoia`)

    // The same subkey bound anew with a day to live: what it signs no longer counts once that day is over.
    gpg.run(['--quick-set-expire', fingerprint, '1d', '*'])
    const ending = await parsePublicKey(gpg.run(['--armor', '--export', fingerprint]).toString(), name)
    await t.rejects(verifyDetached(MANIFEST, signature, [ending], new Date(Date.now() + 3 * 24 * 3_600_000)), { code: /DD-TRUST-0(06|13|14)/ }, `${name}: an ended subkey`)
  }
})

await t.test('a name that gpg does not know, or that fits two keys, is told before anything is signed', async t => {
  const gpg = gpgHome(t)
  for (const name of ['Gus One', 'Gus Two']) await gpg.makeKey(name, 'ed25519')
  await t.rejects(gpgSigner({ user: 'nobody@example.test', homedir: gpg.homedir }), { code: 'DD-TRUST-015', message: 'expected one key of "nobody@example.test" in gpg, found none' })
  await t.rejects(gpgSigner({ user: 'Gus', homedir: gpg.homedir }), { code: 'DD-TRUST-015', message: 'expected one key of "Gus" in gpg, found 2', hint: /whole fingerprint/ })
  t.ok((await gpgSigner({ user: 'Gus One', homedir: gpg.homedir })).fingerprint)
})
