import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../../appliance/core/run-program.ts'

/** A CA and a certificate for localhost, made by openssl. */
export async function makeTls(folder: string): Promise<{ key: Buffer; cert: Buffer; caFile: string }> {
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]) => runProgram('openssl', { args })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc']
  await openssl('req', '-x509', ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-subj', '/CN=Drydock test CA', '-days', '2')
  await openssl('req', ...newKey, '-keyout', at('tls.key'), '-out', at('tls.csr'), '-subj', '/CN=localhost')
  writeFileSync(at('tls.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
  await openssl('x509', '-req', '-in', at('tls.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('tls.ext'), '-days', '2', '-out', at('tls.pem'))
  return { key: readFileSync(at('tls.key')), cert: readFileSync(at('tls.pem')), caFile: at('ca.pem') }
}
