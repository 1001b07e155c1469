import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { writeVolume } from '../archive/index.ts'
import { entriesOfAny } from '../format/brought.ts'
import { MANIFEST_NAME, SIGNATURES_NAME } from '../format/manifest-file.ts'
import { dearmorSignatures, parsePublicKey, signaturePackets, signedBy } from '../openpgp/index.ts'
import { signaturesOf } from './build.ts'
import { contentOf, expectEnd, type OpenedVolume } from './check-volume.ts'
import { openSet } from './open-set.ts'

/**
 * Adds a signature to a bundle that was built elsewhere: to every volume that is given, the same. The manifest's bytes stay as they are;
 * the payload is read to its end and compared with the index on the way, so that nobody signs a bundle that is damaged. Each file is
 * replaced in one step; after an interruption the same call goes on with the volumes that are left.
 * @throws DD-BUNDLE-016 when this key has signed all of them already, DD-BUNDLE-019 when they are not of one bundle
 */
export async function signBundle(files: string | readonly string[], signer: Signer, signal?: AbortSignal): Promise<{ signatures: number }> {
  const set = await openSet(typeof files === 'string' ? [files] : files)
  try {
    const packets = set.volumes.map(({ head }) => (head.signatures === '' ? [] : distinct(dearmorSignatures(head.signatures).flatMap(signaturePackets))))
    const union = distinct(packets.flat())
    const isSigned = await signedBy(union, await parsePublicKey(signer.publicKey, 'the signer'))
    if (isSigned && packets.every(own => own.length === union.length)) {
      throw new DrydockError('DD-BUNDLE-016', `expected a bundle that ${signer.fingerprint} has not signed, found its signature`, 'have another key holder sign')
    }
    const signatures = await signaturesOf(set.volumes[0]!.head.manifest, isSigned ? [] : [signer], union)
    for (const volume of set.volumes) await rewrite(volume.file, volume, signatures, signal)
    return { signatures: union.length + (isSigned ? 0 : 1) }
  } finally {
    await set.close()
  }
}

function distinct(packets: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(packets.map(packet => [Buffer.from(packet).toString('base64'), packet])).values()]
}

async function rewrite(file: string, opened: OpenedVolume, signatures: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  const volume = await writeVolume(file)
  try {
    await volume.add({ name: MANIFEST_NAME, size: opened.head.manifest.length }, opened.head.manifest)
    await volume.add({ name: SIGNATURES_NAME, size: signatures.length }, signatures)
    for (const [k, bytes] of opened.indexParts.entries()) await volume.add({ name: `index/${k}`, size: bytes.length }, bytes)
    for (const entry of entriesOfAny(opened.manifest, opened.index, opened.number)) {
      signal?.throwIfAborted()
      await volume.add(entry, contentOf(opened.volume, entry))
    }
    await expectEnd(opened.volume)
    await volume.finish()
  } finally {
    await volume.discard()
  }
}
