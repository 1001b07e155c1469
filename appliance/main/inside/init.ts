import { chmod, mkdir, readdir, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { Clock } from '../../core/clock.ts'
import { ensureFolder, syncFolder, writeDurably } from '../../core/durable-file.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import { uuidv7 } from '../../core/ids.ts'
import { silentLog } from '../../core/log.ts'
import { newUser } from '../../identity/people.ts'
import { createPki } from '../../identity/pki.ts'
import type { Desired } from '../../model/desired.ts'
import { dataPaths, readPlainFile, writeFormat, type DataPaths } from '../../state/data-folder.ts'
import { createDesired } from '../../state/desired-store.ts'
import { lockFolder } from '../../state/folder-lock.ts'
import { openHistory } from '../../state/history.ts'
import { openReserve, RESERVE_BYTES } from '../../state/reserve.ts'
import { createSecretKey, openSecrets } from '../../state/secrets.ts'
import { openAuditLog } from '../../telemetry/audit-log.ts'
import { createMarks, loadTrust, openMarks } from '../../../importer/verify/index.ts'
import { createApplianceKey } from './appliance-key.ts'
import { configFileOf, type Config, type ConfigFile } from './config.ts'
import { readFirstTrust, type FirstTrust } from './first-trust.ts'
import { auditHeadFile, secretKeyFile } from './marks.ts'

export type Initialised = { applianceId: string; caSha256: string; caFile: string; signingKey: string; trustSha256: string; admin: { user: string; oneTimePassword: string } }

export type InitOptions = { config: Config; trust: FirstTrust; admin: string; clock: Clock; reserveBytes?: number }

/**
 * Makes an appliance in an empty folder. The marker is the first thing that is written and format.json the last: a folder with only the
 * marker is nobody's, and the next `init` begins it again.
 * @throws DD-STATE-016 when the folder holds something, DD-STATE-019 when the first trust is not confirmed
 */
export async function init({ config, trust: first, admin, clock, reserveBytes }: InitOptions): Promise<Initialised> {
  const { trust, sha256 } = await readFirstTrust(first)
  const paths = dataPaths(config.dataDir)
  const applianceId = await claimFolder(paths, clock)
  const lock = lockFolder(paths.lock, paths.root)
  try {
    await ensureFolder(config.marksDir, 0o700)
    await createMarks(config.marksDir)
    const { version, digest } = await loadTrust(trust)
    await (await openMarks(config.marksDir, applianceId)).acceptTrust({ version, digest })
    const keyFile = secretKeyFile(config.marksDir, applianceId)
    if ((await readPlainFile(keyFile)) === undefined) await createSecretKey(keyFile)
    const secrets = await openSecrets({ folder: paths.secrets, keyFile })
    const pki = await createPki({ folder: paths.pki, passphrase: secrets.derive('pki'), names: config.names, clock, siteId: config.siteId, applianceId })
    const signer = await createApplianceKey({ secrets, pki: paths.pki, siteId: config.siteId, applianceId, clock })
    const { user, oneTimePassword } = await newUser(admin, 'admin', clock)

    const reserve = openReserve(paths.reserve, reserveBytes ?? RESERVE_BYTES)
    await reserve.hold()
    await createDesired({ path: paths.desired, reserve, stop: failAtOnce }, firstState(config, trust, user))
    const database = openHistory(paths.history)
    try {
      const audit = openAuditLog({ database, clock, log: silentLog, reserve, signer, applianceId, headFile: auditHeadFile(config.marksDir, applianceId) })
      audit.record({ actor: 'init', action: 'init', subject: `appliance:${applianceId}`, outcome: 'allowed', fields: { trust: sha256, ca: pki.caSha256, admin } })
      await audit.seal()
    } finally {
      database.close()
    }
    await writeDurably(configFileOf(paths.root), stringify(configOf(config)))
    await writeFormat(paths, { applianceId, createdAt: clock.now().toISOString() })
    await removeMarker(paths)
    return { applianceId, caSha256: pki.caSha256, caFile: join(paths.pki, 'ca.pem'), signingKey: signer.fingerprint, trustSha256: sha256, admin: { user: admin, oneTimePassword } }
  } finally {
    lock.release()
  }
}

const MARKER = 'init-unfinished'

/** After a kill between format.json and this, `up` does it. */
export async function removeMarker(paths: DataPaths): Promise<void> {
  await unlink(join(paths.root, MARKER)).catch((failure: unknown) => {
    if (!isErrno(failure, 'ENOENT')) throw failure
  })
}

/** @returns the appliance's id: the one of an `init` that was cut off here, else a new one. */
async function claimFolder(paths: DataPaths, clock: Clock): Promise<string> {
  await makeFolders(paths.root)
  const found = await readdir(paths.root)
  const unfinished = found.includes(MARKER) && !found.includes('format.json')
  if (found.length > 0 && !unfinished) {
    throw new DrydockError('DD-STATE-016', `expected an empty folder at ${paths.root}, found ${found.includes('format.json') ? 'an appliance' : `${found.length} things in it`}`, 'name another folder with --data, or run drydock up if this is your appliance')
  }
  const marker = join(paths.root, MARKER)
  const kept = unfinished ? (await readPlainFile(marker))?.trim() : undefined
  const applianceId = kept !== undefined && kept !== '' ? kept : uuidv7(clock.now())
  if (unfinished) {
    // Not while another `init` is at work here.
    if (found.includes('state')) lockFolder(paths.lock, paths.root).release()
    for (const name of found) if (name !== MARKER) await rm(join(paths.root, name), { recursive: true, force: true })
  }
  await writeDurably(marker, `${applianceId}\n`)
  for (const folder of [paths.state, paths.db, paths.staging, paths.images, paths.vms]) await mkdir(folder, { recursive: true, mode: 0o750 })
  for (const folder of [paths.secrets, paths.pki]) await mkdir(folder, { recursive: true, mode: 0o700 })
  return applianceId
}

async function makeFolders(root: string): Promise<void> {
  await ensureFolder(root)
  await chmod(root, 0o750)
  // The folder above may belong to somebody else; then whoever made ours for us made it last, too.
  await syncFolder(dirname(root)).catch((failure: unknown) => {
    if (!isErrno(failure, 'EACCES')) throw failure
  })
}

function firstState(config: Config, trust: Desired['trust'], admin: Desired['users'][string]): Desired {
  return {
    siteId: config.siteId,
    trust,
    policy: { approvals: 1, separate: true },
    users: { [admin.name]: admin },
    tokens: {},
    connections: { hypervisors: {}, ci: {} },
    pools: {},
  }
}

/** What `up` finds again without flags. */
function configOf(config: Config): ConfigFile {
  const { dataDir: _, names, listen, agentListen, scan, ...rest } = config
  return { ...rest, ...scan, scanners: [...scan.scanners], names: names.slice(1), listen: text(listen), agentListen: text(agentListen) }
}

function text({ host, port }: Config['listen']): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function failAtOnce(error: DrydockError): never {
  throw error
}
