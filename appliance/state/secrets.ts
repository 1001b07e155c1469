import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureFolder, syncFolder, writeDurably } from '../core/durable-file.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import { readPlainFile } from './data-folder.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Small secrets (a signing key, a CI password), each a file of nonce, tag and AES-256-GCM text; the name is authenticated with it. */
export interface Secrets {
  put(name: string, secret: string): Promise<void>
  /** undefined when there is none of this name. @throws DD-STATE-009 when it does not open. */
  get(name: string): Promise<string | undefined>
  remove(name: string): Promise<void>
  names(): Promise<string[]>
  /** A secret text for one purpose, made from the key; the same at every start (the CA keys' passphrase). */
  derive(purpose: string): string
}

/**
 * The key that opens secrets/ and pki/. A 0600 file in marksDir, outside the data folder and its backups, until TPM or systemd-creds keep it.
 * A 32-byte random key, never a passphrase, so no slow hash is needed.
 */
export async function createSecretKey(path: string): Promise<void> {
  await writeDurably(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { mode: 0o600 })
}

/** @throws DD-STATE-009 when the key file is missing or is none. */
export async function openSecrets(options: { folder: string; keyFile: string }): Promise<Secrets> {
  const { folder } = options
  const key = Buffer.from((await readPlainFile(options.keyFile))?.trim() ?? '', 'hex')
  if (key.length !== KEY_BYTES) {
    throw new DrydockError('DD-STATE-009', `expected the key of secrets/ at ${options.keyFile}, found ${key.length === 0 ? 'none' : 'something else'}`, 'restore marksDir as it was; the data folder does not hold this key')
  }
  await ensureFolder(folder, 0o700)
  const fileOf = (name: string): string => {
    if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name)) throw new DrydockError('DD-STATE-009', `expected the name of a secret, found ${JSON.stringify(name)}`, 'use lower-case letters, digits, dots and hyphens')
    return join(folder, name)
  }
  return {
    async put(name, secret) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name))
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
      await writeDurably(fileOf(name), Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64'), { mode: 0o600 })
    },
    async get(name) {
      const stored = await readPlainFile(fileOf(name))
      if (stored === undefined) return undefined
      const bytes = Buffer.from(stored, 'base64')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES }).setAAD(Buffer.from(name))
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new DrydockError('DD-STATE-009', `expected the secret ${name} to open with this appliance's key, found that it does not`, 'restore secrets/ and marksDir of the same appliance', { cause })
      }
    },
    async remove(name) {
      await unlink(fileOf(name)).catch((failure: unknown) => {
        if (!isErrno(failure, 'ENOENT')) throw failure
      })
      await syncFolder(folder)
    },
    async names() {
      return (await readdir(folder)).filter(name => !name.startsWith('.')).toSorted()
    },
    derive(purpose) {
      return Buffer.from(hkdfSync('sha256', key, '', `drydock ${purpose}`, KEY_BYTES)).toString('base64url')
    },
  }
}
