/**
 * A whole appliance at work, in one process tree: init, up, people, an import by two of them, what was imported read back. With `leak`
 * somebody tells it, instead, of a CI server that is elsewhere, and it tries to reach that one.
 *
 *     node nothing-leaves-inside.ts [leak]
 */
import { setTimeout } from 'node:timers/promises'
import { runProgram } from '../../appliance/core/run-program.ts'
import { RealSite } from './real-site.ts'

const closing: (() => unknown)[] = []
const site = new RealSite({ teardown: (close: () => unknown) => void closing.push(close) } as ConstructorParameters<typeof RealSite>[0])
try {
  await site.plan()
  await site.init()
  await site.up()
  await site.people()
  process.stdout.write(process.argv[2] === 'leak' ? await reachOut() : await workDone())
} finally {
  for (const close of closing) await close()
}

async function workDone(): Promise<string> {
  const run = await site.drydock('olga', ['import', 'run', await site.bundle(), '--yes', '--json'])
  const waiting = run.records().find(record => record['type'] === 'waiting') as { import?: { id: string } } | undefined
  await site.must('paul', ['import', 'approve', waiting?.import?.id ?? `none: ${run.out}${run.err}`])
  return `served: ${(await runProgram('curl', { args: ['-sk', `${site.url}/files/hello.txt`] })).stdout.toString()}`
}

async function reachOut(): Promise<string> {
  await site.must('admin', ['ci', 'add', 'elsewhere', '--kind', 'sim', '--url', 'http://192.0.2.66:4444'], { DRYDOCK_CI_TOKEN: 'x' })
  // It looks when its loop comes by; then it says that nobody answers.
  for (;;) {
    const { out } = await site.must('admin', ['ci', 'list', '--json'])
    if (out.includes('no answer')) return out
    await setTimeout(200)
  }
}
