import t from 'tap'
import { join } from 'node:path'
import { simConnector } from '../../../../appliance/ci/sim/connector.ts'
import { ciConformance } from '../../../conformance/ci-connector.ts'
import { startShellAgent } from './shell-agent.ts'
import { ADMIN_TOKEN, SimCiProcess } from './sim-ci-process.ts'

await t.test('the sim CI connector does what every connector must', async t => {
  const server = new SimCiProcess(join(t.testdir(), 'state'))
  t.teardown(async () => await server.kill('SIGTERM'))
  await ciConformance(t, async () => {
    await server.start()
    return {
      connector: simConnector({ name: 'ci', url: server.url, token: ADMIN_TOKEN }),
      stranger: simConnector({ name: 'ci', url: server.url, token: 'wrong' }),
      nobody: simConnector({ name: 'ci', url: 'http://127.0.0.1:9', token: ADMIN_TOKEN }),
      startAgent: startShellAgent,
      async enqueue(node, name, command) {
        const { json } = await server.admin('POST', '/jobs', { node, name, command })
        return (json as { id: string }).id
      },
    }
  })
})
