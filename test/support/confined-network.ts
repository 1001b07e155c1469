import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An attempt to reach an address, as the kernel was asked for it. */
export type Attempt = { program: string; address: string; port: number }

export type Peer = { address: string; port: number }

/**
 * A network namespace whose only peer is one TCP port of this machine. There is no route to anywhere else, and every program in it runs
 * under strace, so that even an attempt is seen. Root only.
 */
export type ConfinedNetwork = {
  readonly name: string
  /** Address under which the peer is reached from inside. */
  readonly peer: Peer
  /** Runs a program inside; never throws for its exit code. `attempts` are those that went anywhere but to the peer or to loopback. */
  run(command: readonly string[], options?: { env?: NodeJS.ProcessEnv; cwd?: string; input?: string }): Promise<{ code: number | null; output: string; attempts: Attempt[] }>
  close(): Promise<void>
}

/** @param names host names that resolve inside, all to the peer. */
export async function openConfinedNetwork(target: Peer, names: readonly string[] = []): Promise<ConfinedNetwork> {
  clearEarlierNetworks()
  const id = process.pid
  const name = `drydock-${id}`
  const [ours, theirs] = [`dda${id}`, `ddb${id}`]
  const net = `10.${200 + (id % 50)}.${Math.floor(id / 256) % 250}`
  const peer = { address: `${net}.1`, port: target.port }
  must('ip', 'netns', 'add', name)
  must('ip', 'link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs)
  must('ip', 'link', 'set', theirs, 'netns', name)
  must('ip', 'addr', 'add', `${net}.1/30`, 'dev', ours)
  must('ip', 'link', 'set', ours, 'up')
  must('ip', '-n', name, 'addr', 'add', `${net}.2/30`, 'dev', theirs)
  must('ip', '-n', name, 'link', 'set', theirs, 'up')
  must('ip', '-n', name, 'link', 'set', 'lo', 'up')
  // `ip netns exec` lays these over /etc inside. Without a resolver a name is looked up nowhere else.
  const etc = join('/etc/netns', name)
  mkdirSync(etc, { recursive: true })
  writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n${names.map(host => `${net}.1 ${host}\n`).join('')}`)
  writeFileSync(join(etc, 'resolv.conf'), '')
  const bridge = spawn('socat', [`TCP-LISTEN:${target.port},bind=${net}.1,reuseaddr,fork`, `TCP:${target.address}:${target.port}`], { stdio: 'ignore' })
  const traces = mkdtempSync(join(tmpdir(), 'drydock-trace-'))
  let runs = 0

  return {
    name,
    peer,
    async run(command, options = {}) {
      const trace = join(traces, String(++runs))
      const child = spawn('ip', ['netns', 'exec', name, 'strace', '-f', '--seccomp-bpf', '-qq', '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-e', 'signal=none', '-o', trace, ...command], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: options.env ?? process.env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      })
      child.stdin.end(options.input)
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-200_000)))
      const code = await new Promise<number | null>(resolve => child.on('close', resolve))
      return { code, output, attempts: attemptsIn(readFileSync(trace, 'utf8')).filter(one => !(one.address === peer.address && one.port === peer.port) && !isLoopback(one.address)) }
    },
    async close() {
      const ended = new Promise(resolve => bridge.once('exit', resolve))
      bridge.kill('SIGKILL')
      await ended
      spawnSync('ip', ['netns', 'del', name])
      spawnSync('ip', ['link', 'del', ours])
      rmSync(etc, { recursive: true, force: true })
      rmSync(traces, { recursive: true, force: true })
    },
  }
}

/** Namespaces that a killed run left: their name holds the id of a process that is gone. The helper of a dead namespace's link ends with it. */
function clearEarlierNetworks(): void {
  const names = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout.split('\n').map(line => line.split(' ')[0] ?? '')
  for (const name of names) {
    const pid = /^drydock-(\d+)$/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    spawnSync('ip', ['netns', 'del', name])
    spawnSync('ip', ['link', 'del', `dda${pid}`])
    rmSync(join('/etc/netns', name), { recursive: true, force: true })
  }
}

const ADDRESSED = /^(?<pid>\d+)\s+(?<call>\w+)\(.*?sa_family=AF_INET6?, sin6?_port=htons\((?<port>\d+)\),.*?(?:inet_addr\("(?<v4>[^"]+)"\)|inet_pton\(AF_INET6, "(?<v6>[^"]+)")/

/** Every address of IPv4 and IPv6 that a traced program asked the kernel to reach. */
export function attemptsIn(trace: string): Attempt[] {
  return trace.split('\n').flatMap(line => {
    const found = ADDRESSED.exec(line)?.groups
    // Port 0 is how a resolver asks which source address it would have; nothing is sent.
    if (found === undefined || found['port'] === '0') return []
    return [{ program: found['pid'] ?? '', address: (found['v4'] ?? found['v6'] ?? '').replace(/^::ffff:/, ''), port: Number(found['port']) }]
  })
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

function must(program: string, ...args: string[]): void {
  const done = spawnSync(program, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`)
}
