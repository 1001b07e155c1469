import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { writeVolume } from '../archive/index.ts'
import { MANIFEST_NAME, SIGNATURES_NAME } from '../format/manifest-file.ts'
import { dearmorSignatures, parsePublicKey, signedBy } from '../openpgp/index.ts'
import { signaturesOf } from './build.ts'
import { contentOf, expectEnd, openBundle } from './check-volume.ts'

/**
 * Adds a signature to a bundle that was built elsewhere. The manifest's bytes stay as they are; the payload is read to its end and
 * compared with the index on the way, so that nobody signs a bundle that is damaged. The file is replaced in one step.
 * @throws DD-BUNDLE-016 when this key has signed already
 */
export async function signBundle(file: string, signer: Signer, signal?: AbortSignal): Promise<{ signatures: number }> {
  const opened = await openBundle(file)
  try {
    const before = opened.head.signatures === '' ? [] : dearmorSignatures(opened.head.signatures)
    if (await signedBy(before, await parsePublicKey(signer.publicKey, 'the signer'))) {
      throw new DrydockError('DD-BUNDLE-016', `expected a bundle that ${signer.fingerprint} has not signed, found its signature`, 'have another key holder sign')
    }
    const signatures = await signaturesOf(opened.head.manifest, [signer], before)
    const volume = await writeVolume(file)
    try {
      await volume.add({ name: MANIFEST_NAME, size: opened.head.manifest.length }, opened.head.manifest)
      await volume.add({ name: SIGNATURES_NAME, size: signatures.length }, signatures)
      for (const [k, bytes] of opened.indexParts.entries()) await volume.add({ name: `index/${k}`, size: bytes.length }, bytes)
      for (const entry of opened.index.entries) {
        signal?.throwIfAborted()
        await volume.add(entry, contentOf(opened.volume, entry))
      }
      await expectEnd(opened.volume)
      await volume.finish()
    } finally {
      await volume.discard()
    }
    return { signatures: before.length + 1 }
  } finally {
    await opened.close()
  }
}
