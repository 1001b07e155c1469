import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startReader } from '../../../importer/media/reader-sandbox.ts'

t.setTimeout(60_000)

const folder = mkdtempSync(join(tmpdir(), 'drydock-reader-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const medium = join(folder, 'medium')

/** Perl in the reader's place, and what it runs on the medium: a program that can ask the kernel for everything. Each attempt prints one line. */
const PROBE = String.raw`
sub tell_of { my ($name, $ok) = @_; printf "%s: %s\n", $name, $ok ? "did" : "refused ($!)" }
tell_of("read the medium", open(my $m, "<", "/medium"));
tell_of("write the medium", open(my $w, "+<", "/medium"));
tell_of("append to the medium", open(my $a, ">>", "/medium"));
tell_of("read /etc/passwd", open(my $p, "<", "/etc/passwd"));
tell_of("read /proc/self/mem", open(my $q, "<", "/proc/self/mem"));
tell_of("read /dev/zero", open(my $z, "<", "/dev/zero"));
tell_of("make a file", open(my $n, ">", "/new"));
tell_of("make a folder", mkdir("/folder"));
tell_of("remove a file", unlink("/medium"));
tell_of("link", link("/medium", "/twin"));
tell_of("symbolic link", symlink("/etc", "/etc"));
tell_of("tcp", socket(my $s, 2, 1, 0));
tell_of("udp", socket(my $u, 2, 2, 0));
tell_of("unix socket", socket(my $x, 1, 1, 0));
tell_of("netlink", socket(my $k, 16, 3, 0));
my $pid = fork();
exit 0 if defined $pid && $pid == 0;
tell_of("start a process", defined $pid);
tell_of("eject a device", defined ioctl($m, 0x5309, 0));
tell_of("send a SCSI command", defined ioctl($m, 0x2285, 0));
tell_of("kill process 1 outside", kill(0, getppid()) && getppid() != 0 && getppid() != 1);
tell_of("be root on the machine", chown(0, 0, "/reader"));
opendir(my $d, "/"); print "list: ", join(" ", sort grep { !/^\./ } readdir $d), "\n";
print "environment: ", join(" ", sort keys %ENV), "\n";
`

await t.test('whoever takes over the reader has the medium to read and nothing else', async t => {
  writeFileSync(medium, PROBE)
  const child = await startReader({ medium, args: ['/medium'], stdout: 'pipe', test: { program: '/usr/bin/perl' } })
  const [out, err] = await Promise.all([child.stdout!.toArray() as Promise<Buffer[]>, child.stderr!.toArray() as Promise<Buffer[]>])
  const lines = Buffer.concat(out).toString().trim().split('\n')
  const found = Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
  if (found['list'] === undefined) t.fail(Buffer.concat(err).toString())
  const names = PROBE.match(/(?<=tell_of\(")[^"]+/g) ?? []
  t.ok(names.length > 15)
  for (const name of names) t.match(found[name], name === 'read the medium' ? /^did$/ : /^refused/, `${name}: ${found[name]}`)
  t.match(found['list'], /^lib( lib64)? medium reader( usr)?$/, 'nothing of the machine is there to be seen')
  t.match(found['environment'], /^(PWD)?$/, 'no secret can leak through the environment')
  t.equal(readFileSync(medium, 'utf8'), PROBE)
})

await t.test('memory, processor time and output of the reader end at their limits', async t => {
  const run = async (script: string, cpuSeconds?: number): Promise<number | null> => {
    writeFileSync(medium, script)
    const child = await startReader({ medium, args: ['/medium'], stdout: 'pipe', test: { program: '/usr/bin/perl' }, ...(cpuSeconds === undefined ? {} : { cpuSeconds }) })
    child.stdout!.resume()
    child.stderr!.resume()
    return await new Promise(done => child.once('close', done))
  }
  t.not(await run('my $x = "x" x (512 * 1024 * 1024); exit 0'), 0, 'half a gigabyte is too much')
  t.not(await run('1 while 1', 1), 0, 'an endless loop ends')
  t.equal(await run('exit 0', 1), 0)
})

await t.test('a reader that is cancelled in any moment leaves no process behind', async t => {
  writeFileSync(medium, 'sleep 60')
  for (const wait of [0, 0, 1, 2, 3, 5, 8, 13, 21]) {
    const stop = new AbortController()
    const child = await startReader({ medium, args: ['/medium'], stdout: 'pipe', test: { program: '/usr/bin/perl' }, signal: stop.signal })
    child.stdout!.resume()
    child.stderr!.resume()
    const closed = new Promise(done => child.once('close', done))
    setTimeout(() => stop.abort(), wait)
    await closed
  }
  t.pass('each of them closed all its ends, which the last process of it does')
})
