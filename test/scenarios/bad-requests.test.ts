import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ErrorCode } from '../../appliance/core/errors/table.ts'
import { poolDocument } from '../appliance/main/site.ts'
import { PASSWORD, RealSite, refusal } from './real-site.ts'

t.setTimeout(280_000)

async function isRefused(t: Test, site: RealSite, person: string, args: readonly string[], code: ErrorCode, says: RegExp, env: Record<string, string> = {}): Promise<void> {
  const before = site.fingerprint()
  await refusal(t, more => site.drydock(person, [...args, ...more], env), code, says)
  t.same(site.fingerprint(), before, `${code}: nothing changed`)
}

await t.test('what people ask wrongly is answered in two lines, and what they meant works afterwards', async t => {
  const site = await RealSite.open(t)
  await site.imports(t)
  await site.must('admin', ['hypervisor', 'add', 'sim', '--kind', 'sim'])
  await site.must('admin', ['ci', 'add', 'ci', '--kind', 'sim', '--url', 'http://127.0.0.1:9'], { DRYDOCK_CI_TOKEN: 'nobody listens there' })
  const file = (name: string, document: unknown): string => {
    const path = join(site.folder, `${name}.yaml`)
    writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document))
    return path
  }

  await t.test('pool specs', async t => {
    const create = (name: string, document: unknown): string[] => ['pool', 'create', file(name, document)]
    await isRefused(t, site, 'olga', create('field', poolDocument({ colour: 'blue' } as object)), 'DD-CORE-009', /only known fields in .+field\.yaml spec, found "colour"/)
    await isRefused(t, site, 'olga', create('size', poolDocument({ size: -1 })), 'DD-CORE-009', /size\.yaml spec\.size to be at least 0, found -1/)
    await isRefused(t, site, 'olga', create('text', 'apiVersion: drydock/v1\nkind: [Pool\n'), 'DD-CLI-002', /expected YAML in .+text\.yaml, found a mistake at line \d/)
    await isRefused(t, site, 'olga', create('empty', ''), 'DD-CORE-009', /empty\.yaml to be of type object, found null/)
    await isRefused(t, site, 'olga', create('memory', poolDocument({ hardware: { cpus: 1, memory: '8GB' } })), 'DD-CORE-009', /spec\.hardware\.memory to be a size like 512MiB or 8GiB, found "8GB"/)
    await isRefused(t, site, 'olga', create('missing', { apiVersion: 'drydock/v1', kind: 'Pool' }), 'DD-CORE-009', /a field "metadata" in .+missing\.yaml, found none/)
    await isRefused(t, site, 'olga', create('choice', poolDocument({ rollout: { onFailure: 'pray' } } as object)), 'DD-CORE-009', /onFailure to be one of rollback, pause, found "pray"/)
    await isRefused(t, site, 'olga', ['pool', 'create', join(site.folder, 'none.yaml')], 'DD-CLI-002', /expected a pool file at .+none\.yaml, found none/)
    await isRefused(t, site, 'olga', create('role', poolDocument({ roles: ['python-3.11', 'numpi-1.26.0'] })), 'DD-IMAGE-001', /numpi-1\.26\.0/)
    await isRefused(t, site, 'olga', create('order', poolDocument({ roles: ['numpy-1.26.0'] })), 'DD-IMAGE-005', /python-3\.11/)
    await isRefused(t, site, 'olga', create('base', poolDocument({ base: 'debian-13' })), 'DD-IMAGE-002', /debian-13/)
    await isRefused(t, site, 'olga', create('hypervisor', poolDocument({ hypervisors: ['rack-z'] })), 'DD-POOL-003', /expected a hypervisor of this appliance \(sim\), found "rack-z"/)
    await isRefused(t, site, 'olga', create('ci', poolDocument({ ci: { connection: 'jenkins', labels: ['x'] } })), 'DD-POOL-003', /expected a CI connection of this appliance \(ci\), found "jenkins"/)
    await isRefused(t, site, 'olga', create('switch', poolDocument({ rollout: { strategy: 'switch' } })), 'DD-POOL-106', /found switch/)
    await isRefused(t, site, 'olga', create('stuck', poolDocument({ rollout: { maxSurge: 0, maxUnavailable: 0 } })), 'DD-POOL-106', /both 0/)
    await site.must('olga', ['pool', 'create', file('good', poolDocument()), '-m', 'first'])
    await isRefused(t, site, 'olga', create('twice', poolDocument()), 'DD-POOL-002', /linux-demo/)
    await isRefused(t, site, 'olga', ['pool', 'update', 'linux-demo', '--roles=python-3.11,numpy-9'], 'DD-IMAGE-001', /numpy-9/)
    await isRefused(t, site, 'olga', ['pool', 'update', 'linux-demo'], 'DD-CLI-001', /--roles or --file/)
    await isRefused(t, site, 'olga', ['pool', 'diff', 'linux-dmeo'], 'DD-POOL-001', /linux-dmeo/)
    await isRefused(t, site, 'olga', ['pool', 'rollback', 'linux-demo'], 'DD-POOL-005', /linux-demo/)
    await isRefused(t, site, 'olga', ['pool', 'rollback', 'linux-demo', '--to', 'yesterday'], 'DD-CLI-001', /expected the number of a revision behind --to, found "yesterday"/)
    await isRefused(t, site, 'olga', ['pool', 'delete', 'linux-demo', '--confirm', 'linux'], 'DD-CLI-002', /linux-demo/)
    t.match(await site.must('olga', ['pool', 'update', 'linux-demo', '--roles=python-3.11,numpy-1.26.0']), { out: /revision 2 of linux-demo \(was 1\)/ })
  })

  await t.test('people', async t => {
    await isRefused(t, site, 'vera', ['pool', 'apply', 'linux-demo'], 'DD-IDENT-004', /expected the role operator, found viewer/)
    await isRefused(t, site, 'vera', ['import', 'run', await site.bundle()], 'DD-IDENT-004', /expected the role operator, found viewer/)
    await isRefused(t, site, 'olga', ['user', 'add', 'mallory', '--role', 'admin'], 'DD-IDENT-004', /expected the role admin, found operator/)
    await isRefused(t, site, 'admin', ['user', 'add', 'mallory', '--role', 'king'], 'DD-CORE-009', /king/)
    await isRefused(t, site, 'admin', ['user', 'remove', 'nobody'], 'DD-IDENT-008', /nobody/)
    await isRefused(t, site, 'nobody', ['pool', 'list'], 'DD-CLI-007', /login/)
    await isRefused(t, site, 'olga', site.loginArgs('olga'), 'DD-IDENT-001', /./, { DRYDOCK_PASSWORD: 'a wrong password' })
    await isRefused(t, site, 'olga', site.loginArgs('olga'), 'DD-CLI-008', /no terminal/)
    await isRefused(t, site, 'olga', ['login', site.url, '--ca-sha256', '0'.repeat(64), '--user', 'olga'], 'DD-CLI-006', /0{64}/, { DRYDOCK_PASSWORD: PASSWORD })
    await isRefused(t, site, 'olga', ['login', 'http://localhost', '--user', 'olga'], 'DD-CLI-002', /https/, { DRYDOCK_PASSWORD: PASSWORD })
    await isRefused(t, site, 'olga', ['login', site.url, '--user', 'olga', '--password-file', join(site.folder, 'no-file')], 'DD-CLI-002', /no-file/)
    await isRefused(t, site, 'admin', ['ci', 'add', 'other', '--kind', 'sim', '--url', 'http://127.0.0.1:9', '--token-file', join(site.folder, 'no-file')], 'DD-CLI-002', /no-file/)
    t.match(await site.must('vera', ['pool', 'list']), { out: /linux-demo/ }, 'who may look, looks')
  })

  await t.test('words', async t => {
    const wrong: [string[], RegExp, RegExp][] = [
      [['poool', 'list'], /expected a noun that drydock knows, found "poool"/, /`drydock pool list`/],
      [['pool', 'aply', 'linux-demo'], /expected a verb of drydock pool .+found "aply"/, /`drydock pool apply`/],
      [['pool'], /expected a verb of drydock pool .+found none/, /--help/],
      [['pool', 'status'], /expected <name> behind drydock pool status, found nothing/, /--help/],
      [['pool', 'status', 'a', 'b'], /found more words/, /--help/],
      [['pool', 'status', 'a', '--wtach'], /found "--wtach"/, /--watch/],
      [['pool', 'list', '--sort', 'siez'], /expected a column/, /name/],
      [['bundle', 'build', 'x'], /--out/, /--help/],
      [['audit', 'list', '--limit', 'many'], /expected a whole number behind --limit, found "many"/, /--help/],
      [['user', 'add', 'x'], /--role/, /--help/],
    ]
    for (const [args, says, next] of wrong) {
      const code = args[2] === '--sort' ? 'DD-CLI-002' : 'DD-CLI-001'
      await isRefused(t, site, 'olga', args, code, says)
      t.match((await site.drydock('olga', args)).err, next, args.join(' '))
    }
    await isRefused(t, site, 'olga', ['receipt', 'export', '1', join(site.folder, 'no/folder')], 'DD-CLI-015', /expected to open .+no\/folder, found no such file or folder/)
    await isRefused(t, site, 'olga', ['explain', 'DD-TRUST-999'], 'DD-CLI-003', /DD-TRUST-999/)
    await isRefused(t, site, 'olga', ['import', 'show', '999'], 'DD-IMPORT-002', /expected an import/)
    await isRefused(t, site, 'olga', ['import', 'show', '../../etc'], 'DD-CORE-009', /to be a stream with its sequence \(demo-3\), a sequence, or an id, found/)
    await isRefused(t, site, 'olga', ['node', 'show', 'lin-1'], 'DD-CLI-012', /lin-1/)
    await isRefused(t, site, 'olga', ['image', 'show', 'abcdef012345'], 'DD-CLI-012', /abcdef012345/)
    await isRefused(t, site, 'olga', ['operation', 'show', 'lin-1'], 'DD-STATE-012', /lin-1/)
  })

  await t.test('an appliance that is not there', async t => {
    await site.down()
    for (const args of [['pool', 'list'], ['pool', 'apply', 'linux-demo'], ['import', 'run', await site.bundle()], ['events'], site.loginArgs('olga')]) {
      await isRefused(t, site, 'olga', args, 'DD-CLI-005', /expected an answer from the appliance at https:\/\/localhost:\d+, found none/, { DRYDOCK_PASSWORD: PASSWORD })
    }
    await site.up()
    t.match(await site.must('olga', ['pool', 'list']), { out: /linux-demo/ })
  })
})
