import t from 'tap'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { copyFileSync, cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { createPki, openPki, type PkiOptions } from '../../../appliance/identity/pki.ts'

const DAY = 86_400_000
const folder = t.testdir()
let now = new Date('2026-11-20T12:00:00Z').getTime()
const options: PkiOptions = { folder: join(folder, 'pki'), passphrase: 'from outside the data folder', names: ['drydock.test', '127.0.0.1', '::1'], clock: { now: () => new Date(now) } }
const pki = await createPki({ ...options, siteId: 'site-a', applianceId: '00000000-0000-7000-8000-00000000abcd' })
const openssl = async (...args: string[]) => (await runProgram('openssl', { args, cwd: folder })).stdout.toString()

async function request(...algorithm: string[]): Promise<string> {
  await openssl('req', '-new', '-newkey', ...algorithm, '-nodes', '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=somebody-else')
  return readFileSync(join(folder, 'node.csr'), 'utf8')
}
const EC = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

await t.test('the CA, the server and a node verify strictly with openssl', async t => {
  const certificate = await pki.signNode(await request(...EC), 'lin-1', new Date(now + 30 * DAY))
  writeFileSync(join(folder, 'node.pem'), certificate)
  const strict = ['verify', '-x509_strict', '-attime', String(Math.floor(now / 1000)), '-CAfile', 'pki/ca.pem']
  t.match(await openssl(...strict, '-purpose', 'sslserver', '-verify_hostname', 'drydock.test', 'pki/server.pem'), /OK/)
  t.match(await openssl(...strict, '-purpose', 'sslclient', 'node.pem'), /OK/)
  await t.rejects(openssl(...strict, '-purpose', 'sslserver', 'node.pem'), 'a node is no server')
  await t.rejects(openssl(...strict, '-purpose', 'sslclient', 'pki/server.pem'), 'the server is no node')
  const x509 = new X509Certificate(certificate)
  t.match(x509.subject, /CN=lin-1$/, 'the name is ours, whatever the request says')
  t.equal(new Date(x509.validTo).getTime(), now + 30 * DAY)
  t.equal(pki.caSha256, new X509Certificate(pki.caPem).fingerprint256.replaceAll(':', '').toLowerCase())
})

await t.test('a node and the server meet over mutual TLS, and a stranger is turned away', async t => {
  now = Date.now()
  const live = await createPki({ ...options, folder: join(folder, 'live'), siteId: 'site-a', applianceId: 'a'.repeat(36) })
  const stranger = await createPki({ ...options, folder: join(folder, 'stranger'), siteId: 'site-a', applianceId: 'b'.repeat(36) })
  const csr = await request(...EC)
  const key = readFileSync(join(folder, 'node.key'), 'utf8')
  const server = createServer({ ...live.server, ca: live.caPem, requestCert: true, rejectUnauthorized: true }, socket => {
    socket.end(String((socket as TLSSocket).getPeerCertificate().subject.CN))
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const meet = (cert: string) => new Promise<string>((resolve, reject) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port, ca: live.caPem, key, cert, servername: 'drydock.test' })
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => (text === '' ? reject(new Error('closed')) : resolve(text)))
  })
  t.equal(await meet(await live.signNode(csr, 'lin-7', new Date(now + DAY))), 'lin-7')
  await t.rejects(meet(await stranger.signNode(csr, 'lin-7', new Date(now + DAY))))
  await new Promise(resolve => server.close(resolve))
})

await t.test('a request that was altered anywhere that counts is refused', async t => {
  const csr = await request(...EC)
  const der = Buffer.from(csr.replaceAll(/-----.*-----|\s/g, ''), 'base64')
  const key = createPublicKey({ key: (await openssl('req', '-in', 'node.csr', '-noout', '-pubkey')), format: 'pem' })
  let accepted = 0
  for (let index = 0; index < der.length; index++) {
    const altered = Buffer.from(der)
    altered[index]! ^= 1
    const text = `-----BEGIN CERTIFICATE REQUEST-----\n${altered.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    const made = await pki.signNode(text, 'lin-1', new Date(now + DAY)).catch((failure: { code: string }) => {
      t.equal(failure.code, 'DD-IDENT-010')
    })
    if (made === undefined) continue
    accepted++
    // What an attacker may flip is outside what is signed; the key is the one that signed.
    t.ok(new X509Certificate(made).publicKey.equals(key), `byte ${index} changes nothing`)
  }
  t.ok(accepted < 16, `${accepted} flips of ${der.length} change nothing that counts`)
})

await t.test('weak keys, other documents and endless ones are refused', async t => {
  for (const text of ['', 'hello', pki.caPem, await request('rsa:1024'), await request('ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'), `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(70_000)}\n-----END CERTIFICATE REQUEST-----\n`]) {
    await t.rejects(pki.signNode(text, 'lin-1', new Date(now + DAY)), { code: 'DD-IDENT-010' })
  }
  t.ok(await pki.signNode(await request('rsa:2048'), 'lin-1', new Date(now + DAY)))
})

await t.test('the server certificate stays, until a name changes or it runs out; the CA stays', async t => {
  now = new Date('2026-11-20T12:00:00Z').getTime()
  const again = await openPki(options)
  t.equal(again.server.cert, pki.server.cert)
  const renamed = await openPki({ ...options, names: ['other.test'] })
  t.not(renamed.server.cert, pki.server.cert)
  t.match(new X509Certificate(renamed.server.cert).subjectAltName, 'DNS:other.test')
  t.equal((await openPki({ ...options, names: ['other.test'] })).server.cert, renamed.server.cert)
  now += 745 * DAY
  t.not((await openPki({ ...options, names: ['other.test'] })).server.cert, renamed.server.cert)
  t.equal((await openPki({ ...options, names: ['other.test'] })).caSha256, pki.caSha256)
})

await t.test('keys lie encrypted and private; without the right passphrase nothing opens', async t => {
  for (const name of ['ca-key.pem', 'server-key.pem']) {
    t.match(readFileSync(join(folder, 'pki', name), 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    t.equal(statSync(join(folder, 'pki', name)).mode & 0o777, 0o600)
  }
  await t.rejects(openPki({ ...options, passphrase: 'another' }), { code: 'DD-IDENT-011' })
  await t.rejects(openPki({ ...options, folder: join(folder, 'nowhere') }), { code: 'DD-IDENT-011' })
})

await t.test('a CA that is not its key\'s is not opened', async t => {
  cpSync(join(folder, 'pki'), join(folder, 'mixed'), { recursive: true })
  copyFileSync(join(folder, 'stranger/ca.pem'), join(folder, 'mixed/ca.pem'))
  await t.rejects(openPki({ ...options, folder: join(folder, 'mixed') }), { code: 'DD-IDENT-011', message: /do not belong together/ })
})
