import type { Clock } from '../appliance/core/clock.ts'
import { aptFormat } from './apt/format.ts'
import type { ReleaseSigner } from './apt/signer.ts'
import { filesFormat } from './files/format.ts'
import { npmFormat } from './npm/format.ts'
import { ociFormat } from './oci/format.ts'
import { pypiFormat } from './pypi/format.ts'
import type { MirrorFormat } from './store/format.ts'

/**
 * Every format there is, for `openStore` and, through it, for `mirrorRoutes`.
 * @param options.publicUrl the appliance's own address, `https://drydock.example:8443`; it stands inside npm's indexes
 * @param options.releaseSigner the appliance's key: it signs apt's Release files
 */
export function mirrorFormats(options: { publicUrl: string; releaseSigner: ReleaseSigner; clock: Clock }): readonly MirrorFormat[] {
  return [npmFormat(options), pypiFormat(), aptFormat({ signer: options.releaseSigner, clock: options.clock }), ociFormat(), filesFormat()]
}
