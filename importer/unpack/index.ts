export { openVolume, type OpenVolume } from './open-volume.ts'
export { unpackVolume, type UnpackInput, type Unpacked } from './unpack.ts'
