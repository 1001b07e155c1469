export { openPlainFile, openVolume, type MediaFile, type OpenMedia, type OpenVolume, type Payload } from './open-volume.ts'
export { bytesCopied, bytesWritten, copiesOf, joiningName, keptName, planOf, type Copying } from './plan.ts'
export { parityPath, segmentsStaged, type Held } from './shards.ts'
export { unpackVolume, type UnpackInput, type Unpacked } from './unpack.ts'
