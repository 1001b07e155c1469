export type { InternalNames } from './internal-names.ts'
export { bundleHeads, type BundleHeads } from './bundle-heads.ts'
export { createImporter, type Importer, type ImporterDeps } from './importer.ts'
export { hasEnded, mayBecome, TRANSITIONS } from './states.ts'
