import { mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../../core/durable-file.ts'
import { programEnvironment, runProgram } from '../../core/run-program.ts'

/**
 * `config.iso`: ISO 9660 with label DRYDOCK and the one file node.json. The same bytes in give the same bytes out; every date in it is 2000-01-01.
 * The folder it is made from holds the token, so it is 0700 and gone afterwards.
 */
export async function writeConfigDrive(folder: string, nodeJson: string, signal: AbortSignal): Promise<void> {
  const source = await mkdtemp(join(folder, '.config-'))
  try {
    await writeDurably(join(source, 'node.json'), nodeJson, { mode: 0o400 })
    const iso = `${source}.iso`
    await runProgram('xorriso', {
      args: ['-no_rc', '-as', 'mkisofs', '-quiet', '-V', 'DRYDOCK', '-r', '--modification-date=2000010100000000', '--set_all_file_dates', '2000010100000000', '-o', iso, source],
      env: programEnvironment({ TZ: 'UTC', SOURCE_DATE_EPOCH: '946684800' }),
      package: 'xorriso',
      timeout: 30_000,
      signal,
    })
    await rename(iso, join(folder, 'config.iso'))
  } finally {
    await rm(source, { recursive: true, force: true })
  }
}
