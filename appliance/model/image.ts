import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'
import { Lock } from './lock.ts'

/** One read-only layer: a squashfs with its dm-verity tree appended, one GPT partition of the disk. Sizes in bytes. */
export const ImageLayer = Type.Object(
  {
    /** `base`, the role's name and version (`numpy-1.26.0`), or `database`. */
    name: Type.String(),
    /** SHA-256 of squashfs and tree together, as they stand in the partition. */
    digest: DigestText,
    size: Type.Integer(),
    /** dm-verity root hash, hex; salt and UUID are zero. */
    verityRoot: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    dataBlocks: Type.Integer(),
    /** Where the partition begins on the raw disk, bytes. */
    offset: Type.Integer(),
  },
  { additionalProperties: false },
)
export type ImageLayer = Type.Static<typeof ImageLayer>

/** `images/<hex>/manifest.json`. `digest` is the SHA-256 of the raw disk `disk.raw` beside it. */
export const ImageManifest = Type.Object(
  {
    format: Type.Literal('drydock-image/1'),
    digest: DigestText,
    size: Type.Integer(),
    specDigest: DigestText,
    lock: Lock,
    layers: Type.Array(ImageLayer),
    /** For direct boot, files beside the disk: the same bytes as in its boot partition. */
    kernel: Type.Object({ file: Type.Literal('vmlinuz'), digest: DigestText }, { additionalProperties: false }),
    initrd: Type.Object({ file: Type.Literal('initrd'), digest: DigestText }, { additionalProperties: false }),
    /** Kernel command line; holds every layer's root hash. */
    commandLine: Type.String(),
    packages: Type.Array(Type.Object({ name: Type.String(), version: Type.String(), architecture: Type.String() }, { additionalProperties: false })),
  },
  { additionalProperties: false },
)
export type ImageManifest = Type.Static<typeof ImageManifest>

/** What a booted guest says of itself; sent whole when its digest changed. */
export const Measurement = Type.Object({
  verify: Type.Array(Type.Object({ role: Type.String(), run: Type.String(), expect: Type.String(), found: Type.String(), passed: Type.Boolean() }, { additionalProperties: false })),
  packages: Type.Array(Type.String()),
  environment: Type.Record(Type.String(), Type.String()),
  kernel: Type.String(),
  parameters: Type.String(),
  mounts: Type.Array(Type.String()),
  cpuModel: Type.String(),
  cpuFlags: Type.Array(Type.String()),
})
export type Measurement = Type.Static<typeof Measurement>
