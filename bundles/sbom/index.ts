export { sbomName, sbomText, type Told } from './sbom.ts'
