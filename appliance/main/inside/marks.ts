import { join } from 'node:path'

/** What lies in marksDir beside the importer's marks: by appliance, because two data folders may share one marksDir. */
export function secretKeyFile(marksDir: string, applianceId: string): string {
  return join(marksDir, `secrets-${applianceId}.key`)
}

export function auditHeadFile(marksDir: string, applianceId: string): string {
  return join(marksDir, `audit-${applianceId}.json`)
}
