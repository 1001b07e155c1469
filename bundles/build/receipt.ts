import { readFile } from 'node:fs/promises'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { verifyDetached, type PublicKey } from '../openpgp/index.ts'
import { checkShape } from '../format/check.ts'
import { Receipt } from '../format/receipt.ts'
import { parseCanonicalJson } from '../format/strict-json.ts'

/**
 * What a site says it holds, when its appliance signed it (FILE.asc beside FILE).
 * @throws DD-BUNDLE-017 when a file is missing, DD-TRUST-… when the signature is not the appliance's
 */
export async function readReceipt(file: string, key: PublicKey, now: Date): Promise<{ base: Digest; inventory: ReadonlySet<string>; items?: ReadonlySet<string>; receipt: Receipt }> {
  const [bytes, signature] = await Promise.all([file, `${file}.asc`].map(path => readFile(path).catch((cause: unknown) => {
    throw new DrydockError('DD-BUNDLE-017', `expected a receipt and its signature at ${path}, found no such file`, 'both come from `drydock receipt export`', { cause })
  })))
  const { signatures } = await verifyDetached(bytes!, signature!.toString('latin1'), [key], now)
  if (signatures.length === 0) {
    throw new DrydockError('DD-TRUST-012', `expected a signature by ${key.name} (${key.fingerprint}) on ${file}, found none`, 'give the key of the appliance that wrote this receipt')
  }
  const receipt = checkShape(Receipt, parseCanonicalJson(bytes!, file), file)
  return { base: digestOf(bytes!), inventory: new Set(receipt.inventory), ...(receipt.items === undefined ? {} : { items: new Set<string>(receipt.items) }), receipt }
}
