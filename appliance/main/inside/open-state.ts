import { access, stat } from 'node:fs/promises'
import type { Clock } from '../../core/clock.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import type { Log } from '../../core/log.ts'
import type { DesiredStore } from '../../model/desired.ts'
import { clearTemporary, dataPaths, readFormat, type DataPaths, type Format } from '../../state/data-folder.ts'
import { openDesired } from '../../state/desired-store.ts'
import { lockFolder } from '../../state/folder-lock.ts'
import { openHistory, type HistoryDatabase } from '../../state/history.ts'
import { openReserve, RESERVE_BYTES, type Reserve } from '../../state/reserve.ts'
import { openSecrets, type Secrets } from '../../state/secrets.ts'
import { trustedTime, type TrustedTime } from '../../state/trusted-time.ts'
import { lastAuditTime, lostRecords, openAuditLog, type LostRecords, type OpenAuditLog } from '../../telemetry/audit-log.ts'
import { openMarks, type Marks } from '../../../importer/verify/index.ts'
import { openApplianceKey, type ApplianceSigner } from './appliance-key.ts'
import { BUILD } from './build.ts'
import type { Config } from './config.ts'
import { removeMarker } from './init.ts'
import { auditHeadFile, secretKeyFile } from './marks.ts'

export type OpenState = {
  paths: DataPaths
  format: Format
  desired: DesiredStore
  database: HistoryDatabase
  reserve: Reserve
  secrets: Secrets
  marks: Marks
  clock: TrustedTime
  /** When the last record before this start was made; nothing after `forget`, until the next start. */
  lastAudit: { at(): Date | undefined; forget(): void }
  signer: ApplianceSigner
  audit: OpenAuditLog
  /** Records that a signed head in marksDir covers and the database no longer has. */
  lost: LostRecords | null
}

/** Another appliance may keep its marks in the same folder and write them now. */
const ANOTHERS_MS = 60 * 60_000

export type OpenStateOptions = { config: Config; wall: Clock; log: Log; reserveBytes?: number }

/**
 * The data folder, held by this process alone. What it opens is closed by the stack, last first, also when a later part does not open.
 * @throws DD-STATE-001 … 005, 008, 009: each stops the start and changes nothing.
 */
export async function openState({ config, wall, log, reserveBytes }: OpenStateOptions, stack: AsyncDisposableStack): Promise<OpenState> {
  const paths = dataPaths(config.dataDir)
  const format = await readFormat(paths)
  await requireOwner(paths.root)
  await requireParts(paths)
  const lock = lockFolder(paths.lock, paths.root)
  stack.defer(() => lock.release())
  await removeMarker(paths)
  for (const folder of [paths.root, paths.state, paths.secrets, paths.pki]) await clearTemporary(folder)
  await clearTemporary(config.marksDir, ANOTHERS_MS)

  const reserve = openReserve(paths.reserve, reserveBytes ?? RESERVE_BYTES)
  const desired = await openDesired({ path: paths.desired, reserve, stop: error => stopAtOnce(error, log) })
  stack.defer(async () => await desired.close())
  if (desired.fault !== null) log.error({ code: 'DD-STATE-005' }, desired.fault)

  const database = openHistory(paths.history)
  stack.defer(() => database.close())
  const marks = await openMarks(config.marksDir, format.applianceId)
  if (marks.floor() !== undefined) await requireFile(paths.catalogue, () => lostDatabase('the catalogue of the mirrors', paths.catalogue))
  let audited = lastAuditTime(database)
  const lastAudit = { at: () => audited, forget: () => void (audited = undefined) }
  const clock = trustedTime({ wall, build: BUILD.date, newestBundle: () => marks.floor(), lastAudit: lastAudit.at })
  const wrong = clock.wrongClock()
  if (wrong !== null) log.error({ code: 'DD-TRUST-009', wall: wrong.wall.toISOString(), floor: wrong.floor.toISOString() }, 'the machine\'s clock is wrong: trusted time goes on from the floor')

  const secrets = await openSecrets({ folder: paths.secrets, keyFile: secretKeyFile(config.marksDir, format.applianceId) })
  const signer = await openApplianceKey(secrets, clock)
  const headFile = auditHeadFile(config.marksDir, format.applianceId)
  const lost = await lostRecords(database, headFile)
  const audit = openAuditLog({ database, clock, log, reserve, signer, applianceId: format.applianceId, headFile })
  stack.defer(async () => await audit.close())
  // Not fatal: what is lost is lost, and an appliance that stands still helps nobody. The head that was seen is kept in the chain itself.
  if (lost !== null) {
    log.error({ code: 'DD-STATE-011', ...lost }, 'the audit log is not the one that was signed last: db/ was restored from a backup, or cut off')
    audit.record({ actor: 'drydock', action: 'audit.lost', subject: 'audit', outcome: 'failed', fields: { ...lost } })
  }
  await keepReserve(reserve, log)
  const upkeep = setInterval(() => void keepReserve(reserve, log), RESERVE_UPKEEP_MS)
  stack.defer(() => clearInterval(upkeep))
  if (desired.fault !== null) audit.record({ actor: 'drydock', action: 'state.recovered', subject: 'desired', outcome: 'failed', fields: { found: desired.fault } })
  return { paths, format, desired, database, reserve, secrets, marks, clock, lastAudit, signer, audit, lost }
}

/** What `init` made and an appliance never starts without: an empty one in its place would forget every pool, every machine and the audit log. */
async function requireParts(paths: DataPaths): Promise<void> {
  await requireFile(paths.state, () => new DrydockError('DD-STATE-004', `expected the desired state at ${paths.desired}, found no folder state/`, 'this appliance was initialised, so it is lost: restore state/ from a backup; it never starts empty'))
  await requireFile(paths.secrets, () => new DrydockError('DD-STATE-009', `expected the secrets of this appliance at ${paths.secrets}, found none`, 'restore secrets/ from a backup of this appliance'))
  await requireFile(paths.history, () => lostDatabase('the history', paths.history))
}

async function requireFile(path: string, lost: () => DrydockError): Promise<void> {
  try {
    await access(path)
  } catch (cause) {
    throw isErrno(cause, 'ENOENT') ? lost() : cause
  }
}

function lostDatabase(what: string, path: string): DrydockError {
  return new DrydockError('DD-STATE-008', `expected ${what} at ${path}, found none`, 'this appliance was initialised, so it is lost: restore db/ from a backup; it never starts empty')
}

/** How often a reserve that was given is taken again, if there is space. */
const RESERVE_UPKEEP_MS = 60_000

async function keepReserve(reserve: Reserve, log: Log): Promise<void> {
  const found = await reserve.hold().catch((failure: unknown) => String(failure))
  if (found !== 'held') log.error({ code: 'DD-CORE-002', found }, 'there is no space held in reserve for audit and state')
}

/** What is on the disk is unknown: nothing more is written, not even by those who would tidy up. */
export function stopAtOnce(error: DrydockError, log: Log): never {
  log.error({ code: error.code, cause: String(error.cause) }, error.message)
  process.exit(1)
}

/** Files that root leaves in the folder of another user would keep that user from starting ever again. */
async function requireOwner(folder: string): Promise<void> {
  const { uid, gid } = await stat(folder)
  const own = process.geteuid?.() ?? uid
  if (uid !== own) throw new DrydockError('DD-STATE-022', `expected to run as the owner of ${folder} (uid ${uid}), found uid ${own}`, `start it as that user: setpriv --reuid ${uid} --regid ${gid} --init-groups drydock up --data ${folder}`)
}
