import type { Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { SEQUENCE_JUMP } from '../../bundles/format/limits.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import type { SequenceVerdict } from '../../bundles/format/verified.ts'
import type { Mark } from './marks.ts'

/**
 * Per stream, (epoch, sequence) only rises. A rise that is too steep is not an attack yet, but it would lock out every bundle between,
 * so two people must agree to it.
 * @throws DD-IMPORT-003 (not above the last), DD-IMPORT-004 (older epoch), DD-IMPORT-005 (another workspace)
 */
export function judgeSequence(manifest: Manifest, digest: Digest, mark: Mark | undefined): SequenceVerdict {
  const { stream, epoch, sequence, workspace } = manifest
  if (mark === undefined || epoch > mark.epoch) {
    const newEpoch = mark !== undefined
    // Epochs only rise, so one that is far up leaves the stream to whoever made it.
    const far = epoch > SEQUENCE_JUMP ? `epoch ${epoch}, sequence ${sequence}` : sequence > SEQUENCE_JUMP ? `sequence ${sequence}` : null
    const steep = newEpoch ? `epoch ${epoch} after ${mark.epoch}` : far === null ? null : `first bundle of ${stream} is ${far}`
    return { last: 0, jump: steep }
  }
  if (epoch < mark.epoch) {
    throw new DrydockError('DD-IMPORT-004', `expected epoch ${mark.epoch} or later of stream ${stream}, found ${epoch}`, 'this bundle is from before the stream was started anew; build one from the current workspace')
  }
  if (sequence <= mark.sequence) {
    const again = sequence === mark.sequence && digest === mark.manifest
    throw new DrydockError(
      'DD-IMPORT-003',
      `expected a sequence above ${mark.sequence} of stream ${stream}, found ${sequence}${again ? ', which is this very bundle, imported already' : ''}`,
      again ? 'nothing to do: what it brings is here' : 'old bundles are never imported again; build the next one',
    )
  }
  if (workspace !== mark.workspace) {
    throw new DrydockError('DD-IMPORT-005', `expected a bundle of stream ${stream} from workspace ${mark.workspace}, found one from ${workspace}`, 'two senders number the same stream: build from the first workspace, or start a new epoch with --epoch')
  }
  return { last: mark.sequence, jump: sequence > mark.sequence + SEQUENCE_JUMP ? `sequence ${sequence} after ${mark.sequence}` : null }
}
