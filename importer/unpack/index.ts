export { openPlainFile, openVolume, type MediaFile, type OpenMedia, type OpenVolume, type Payload } from './open-volume.ts'
export { bytesWritten, joiningName, planOf } from './plan.ts'
export { unpackVolume, type UnpackInput, type Unpacked } from './unpack.ts'
