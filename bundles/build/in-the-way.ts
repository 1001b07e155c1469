import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { CONTROL_KINDS } from '../format/control.ts'
import type { Manifest } from '../format/manifest.ts'
import { volumeName } from '../format/manifest-file.ts'
import { dearmorSignatures, parsePublicKey, signaturePackets, signedBy } from '../openpgp/index.ts'
import { openBundle } from './check-volume.ts'

/**
 * Files of this name and sequence that stand in the folder already. The same build again may take their place: a build that was killed, or a
 * medium that failed, leaves some. Another bundle under this sequence may be on its way to a site, and a signature by somebody else is
 * hours of a person: neither is lost by a second `bundle build`.
 * @throws DD-BUNDLE-032
 */
export async function refuseOthers(out: string, manifest: Manifest, manifestBytes: Uint8Array, signers: readonly Signer[]): Promise<void> {
  for (const name of await filesOfSequence(out, manifest)) {
    const found = await whatIsThere(join(out, name), manifestBytes, signers)
    if (found === undefined) continue
    const content = !CONTROL_KINDS.some(kind => kind === manifest.stream)
    const hint = [
      found.same ? `it is this very bundle: add to its signatures with \`drydock bundle sign ${join(out, name)} --key NAME.key\`, or move it away` : 'move it away or write to another folder',
      ...(content ? ['without --sequence the next one is built', '`bundle build --replace` writes over it'] : []),
    ]
    throw new DrydockError('DD-BUNDLE-032', `expected no other bundle of sequence ${manifest.sequence} in ${out}, found ${name}, ${found.what}`, hint.join('; '))
  }
}

/** Volumes that were there before, of another size or number than those that took their place. */
export async function removeOthers(out: string, manifest: Manifest, stay: readonly string[]): Promise<void> {
  for (const name of await filesOfSequence(out, manifest)) if (!stay.includes(join(out, name))) await unlink(join(out, name))
}

async function filesOfSequence(out: string, manifest: Manifest): Promise<string[]> {
  const own = volumeName(manifest, 1).replace(/v\d+-of-\d+\.drydock$/, '')
  const there = await readdir(out).catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return []
    throw failure
  })
  return there.filter(name => name.startsWith(own) && /^(v\d+-of-\d+|p\d+)\.drydock$/.test(name.slice(own.length)))
}

/** In words, why it must stay; undefined when the same build may take its place. */
async function whatIsThere(path: string, manifestBytes: Uint8Array, signers: readonly Signer[]): Promise<{ what: string; same: boolean } | undefined> {
  let packets: Uint8Array[]
  try {
    const { head, manifestDigest, close } = await openBundle(path)
    await close()
    if (!head.manifest.equals(manifestBytes)) return { what: `which is another one (${manifestDigest})`, same: false }
    packets = head.signatures === '' ? [] : dearmorSignatures(head.signatures).flatMap(signaturePackets)
  } catch (failure) {
    if (!(failure instanceof DrydockError)) throw failure
    return { what: 'which cannot be read as a bundle', same: false }
  }
  let ours = 0
  for (const signer of signers) if (await signedBy(packets, await parsePublicKey(signer.publicKey, 'the signer'))) ours++
  return packets.length > ours ? { what: `which has ${packets.length - ours} ${packets.length - ours === 1 ? 'signature' : 'signatures'} by others`, same: true } : undefined
}
