import { mkdtempSync, openSync, closeSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startConfined } from '../../../importer/unpack/confine.ts'
import { seccompFilter } from '../../../importer/unpack/seccomp.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

/** What the probe could do behind the walls, with Node's own wall up or down. */
async function probe(withoutPermissionModel: boolean): Promise<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-probe-'))
  const staging = mkdtempSync(join(folder, 'staging-'))
  writeFileSync(join(folder, 'media'), 'media')
  const media = openSync(join(folder, 'media'), 'r')
  try {
    const child = startConfined({ program: 'test/probe.ts', staging, media, test: { withoutPermissionModel, code: import.meta.dirname } })
    child.stdin!.end()
    const [out, err] = await Promise.all([child.stdout!.toArray(), child.stderr!.toArray()])
    if (out.length === 0) t.fail(Buffer.concat(err).toString())
    const made = readdirSync(staging)
    return { ...(JSON.parse(Buffer.concat(out).toString()) as Record<string, string>), 'files in staging': made.join(',') }
  } finally {
    closeSync(media)
    rmSync(folder, { recursive: true, force: true })
  }
}

const REFUSED = /^(E|ERR_)[A-Z_]+$|^exit 1$/

for (const withoutPermissionModel of [false, true]) {
  await t.test(`with Node's permission model ${withoutPermissionModel ? 'off' : 'on'}, the unpacker cannot open another file, a socket or a process`, async t => {
    const found = await probe(withoutPermissionModel)
    for (const name of ['read /etc/passwd', 'write its code', 'write the root', 'run a shell', 'run itself', 'spawn', 'tcp out', 'listen', 'udp', 'unix socket', 'read /proc', 'symbolic link in staging', 'hard link in staging']) t.match(found[name], REFUSED, `${name}: ${found[name]}`)
    t.match(found['write staging'], /^did/, 'the one folder it may write')
    t.equal(found['files in staging'], 'probe')
    t.not(found['home'], 'did: true')
    if (withoutPermissionModel) {
      t.equal(found['list /'], 'did: ["code","lib","lib64","node","staging"]', 'nothing of the machine is there to be seen')
      t.equal(found['interfaces'], 'ERR_SYSTEM_ERROR', 'not even the socket that lists them')
    }
    t.equal(found['environment'], 'did: ["LD_LIBRARY_PATH","PWD"]', 'no secret can leak through the environment')
    t.notMatch(found['worker with its own walls'], /^did: "exit 0"/)
  })
}

await t.test('the filter is made for this processor, and refused for one that is not in the table', async t => {
  t.equal(seccompFilter('x64').length % 8, 0)
  t.equal(seccompFilter('arm64').readUInt32LE(4), 4, 'first looks at the architecture')
  t.throws(() => seccompFilter('riscv64'), { code: 'DD-IMPORT-016' })
})
