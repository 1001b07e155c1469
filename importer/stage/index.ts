export { createImporter, type Importer, type ImporterDeps } from './importer.ts'
export { hasEnded, mayBecome, TRANSITIONS } from './states.ts'
