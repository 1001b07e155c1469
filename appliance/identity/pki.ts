import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { ensureFolder, writeDurably } from '../core/durable-file.ts'
import { DrydockError } from '../core/error.ts'
import type { CertificateAuthority } from '../model/certificate-authority.ts'
import { issueCertificate, keyOfRequest } from './certificate.ts'

const DAY = 24 * 60 * 60 * 1000
const CA_LIFE = 10 * 365 * DAY
/** Some clients refuse server certificates that live longer than 825 days. */
const SERVER_LIFE = 800 * DAY
/** The server certificate is made again by the start that finds less than this left. */
const SERVER_RENEWAL = 60 * DAY
/** A guest or client whose clock is a little behind must not find a certificate from the future. */
const BACKDATED = DAY

export type Pki = CertificateAuthority & {
  /** SHA-256 of the CA certificate's DER, lower-case hex: what `login --ca-sha256` and `openssl x509 -fingerprint -sha256` show. */
  readonly caSha256: string
  /** For the TLS servers, PEM. The certificate is followed by the CA's. */
  readonly server: { readonly key: string; readonly cert: string }
}

export type PkiOptions = {
  /** `pki/` of the data folder: ca.pem, ca-key.pem, server.pem, server-key.pem; keys encrypted, 0600. */
  folder: string
  /** Opens the private keys; it lives outside the data folder. */
  passphrase: string
  /** Host names and addresses that clients use, publicUrl's host first. */
  names: readonly string[]
  clock: Clock
}

/** `init`: a CA and the first server certificate. The folder must hold none. */
export async function createPki(options: PkiOptions & { siteId: string; applianceId: string }): Promise<Pki> {
  const { folder, passphrase, clock } = options
  await ensureFolder(folder, 0o700)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = `Drydock CA ${options.siteId} ${options.applianceId.slice(-12)}`
  const now = clock.now().getTime()
  const certificate = issueCertificate({ use: 'ca', commonName: name, publicKey, signingKey: privateKey, notBefore: new Date(now - BACKDATED), notAfter: new Date(now + CA_LIFE) })
  await writeDurably(join(folder, 'ca-key.pem'), sealed(privateKey, passphrase))
  await writeDurably(join(folder, 'ca.pem'), certificate, { mode: 0o644 })
  return await openPki(options)
}

/** `up`: opens the CA; makes a new server certificate when the names changed or the old one is running out. @throws DD-IDENT-011 */
export async function openPki({ folder, passphrase, names, clock }: PkiOptions): Promise<Pki> {
  const caPem = await readPart(folder, 'ca.pem')
  const caKey = unsealed(await readPart(folder, 'ca-key.pem'), passphrase, 'ca-key.pem')
  const ca = new X509Certificate(caPem)
  if (!ca.checkPrivateKey(caKey)) throw damaged('ca.pem and ca-key.pem that do not belong together')
  const issuer = { name: commonNameOf(ca), publicKey: createPublicKey(caKey) }
  const server = (await keptServer(folder, passphrase, names, ca, clock)) ?? (await newServer())

  async function newServer() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const now = clock.now().getTime()
    const certificate = issueCertificate({
      use: 'server', commonName: names[0] ?? 'drydock', names, publicKey, issuer, signingKey: caKey, notBefore: new Date(now - BACKDATED), notAfter: new Date(Math.min(now + SERVER_LIFE, Date.parse(ca.validTo))),
    })
    // The key first: a cut between the two leaves a pair that does not match, which the next start replaces.
    await writeDurably(join(folder, 'server-key.pem'), sealed(privateKey, passphrase))
    await writeDurably(join(folder, 'server.pem'), certificate + caPem, { mode: 0o644 })
    return { key: plain(privateKey), cert: certificate + caPem }
  }

  return {
    caPem,
    caSha256: ca.fingerprint256.replaceAll(':', '').toLowerCase(),
    server,
    async signNode(csrPem, node, notAfter) {
      return issueCertificate({ use: 'node', commonName: node, publicKey: keyOfRequest(csrPem), issuer, signingKey: caKey, notBefore: new Date(clock.now().getTime() - BACKDATED), notAfter })
    },
  }
}

async function keptServer(folder: string, passphrase: string, names: readonly string[], ca: X509Certificate, clock: Clock): Promise<{ key: string; cert: string } | undefined> {
  try {
    const cert = await readPart(folder, 'server.pem')
    const key = unsealed(await readPart(folder, 'server-key.pem'), passphrase, 'server-key.pem')
    const certificate = new X509Certificate(cert)
    const held = (certificate.subjectAltName ?? '').split(', ').length
    const matches = held === names.length && names.every(name => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined)
    const left = Date.parse(certificate.validTo) - clock.now().getTime()
    return matches && left > SERVER_RENEWAL && certificate.checkPrivateKey(key) && certificate.verify(ca.publicKey) ? { key: plain(key), cert } : undefined
  } catch {
    // Missing or damaged: a server certificate can always be made again, unlike the CA.
    return undefined
  }
}

async function readPart(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8')
  } catch (cause) {
    throw damaged(`no readable ${name} in ${folder}`, cause)
  }
}

function unsealed(text: string, passphrase: string, name: string): KeyObject {
  try {
    return createPrivateKey({ key: text, passphrase })
  } catch (cause) {
    throw damaged(`${name}, which does not open with the key of this appliance`, cause)
  }
}

const sealed = (key: KeyObject, passphrase: string) => key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString()
const plain = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const commonNameOf = (certificate: X509Certificate) => /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? ''
const damaged = (found: string, cause?: unknown) => new DrydockError('DD-IDENT-011', `expected the CA of this appliance, found ${found}`, 'restore pki/ from a backup of this appliance', { cause })
