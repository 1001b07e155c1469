export { buildBundle, type BuildInput, type Built } from './build.ts'
export { checkPayload, checkVolume, openBundle, type OpenedVolume } from './check-volume.ts'
export { signBundle } from './sign.ts'
export { keepSequence, openWorkspace, type OpenWorkspace } from './workspace.ts'
