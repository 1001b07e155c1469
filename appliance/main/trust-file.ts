import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { checkShape } from '../../bundles/format/check.ts'
import { Trust, TRUST_ROLES } from '../../bundles/format/trust.ts'
import { loadTrust } from '../../importer/verify/index.ts'
import { outputOf } from '../cli/output.ts'
import { digestOf, hexOf } from '../core/digest.ts'
import { DrydockError } from '../core/error.ts'

/** What a trust document says; every key is checked against its fingerprint. */
export async function showTrustFile(file: string, command: Command): Promise<void> {
  const output = outputOf(command)
  const { trust, sha256 } = await readTrust(file)
  output.line(`${file}, version ${trust.version}`)
  for (const role of TRUST_ROLES) {
    const { threshold, keys } = trust.roles[role]
    const names = keys.map(fingerprint => trust.keys.find(key => key.fingerprint === fingerprint)!.name)
    output.line(`${role.padEnd(8)} ${threshold} of ${keys.length}: ${names.join(', ')}`)
  }
  for (const key of trust.keys) output.line(`key      ${key.fingerprint}  ${key.name}${key.revoked === true ? '  revoked' : ''}`, 'dim')
  output.line(`sha256   ${sha256}      for init --trust-sha256; tell it by another way than the file`)
  output.record({ type: 'trust', file, version: trust.version, sha256, roles: trust.roles, keys: trust.keys.map(({ fingerprint, keySha256, name, revoked }) => ({ fingerprint, keySha256, name, ...(revoked === true ? { revoked } : {}) })) })
}

/** @throws DD-TRUST-001 when it is not a trust document or contradicts itself */
export async function readTrust(file: string): Promise<{ trust: Trust; sha256: string }> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-001', `expected a trust document at ${file}, found none that can be read`, 'check the path: it is the trust.json that `drydock trust new` or `trust update` made', { cause })
  })
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new DrydockError('DD-TRUST-001', `expected JSON in ${file}, found something else`, 'name the trust.json that `drydock trust new` or `trust update` made', { cause })
  }
  const trust = checkShape(Trust, value, file)
  await loadTrust(trust)
  return { trust, sha256: hexOf(digestOf(bytes)) }
}
