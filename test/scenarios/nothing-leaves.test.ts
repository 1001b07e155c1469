import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { openConfinedNetwork } from '../support/confined-network.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

await t.test('an appliance that is set up, started and takes in a bundle asks the kernel for no address beyond itself; one that is told of a server elsewhere is caught', { skip: process.getuid?.() === 0 ? false : 'network namespaces need root' }, async t => {
  // Somebody who could be reached, so that the network is not dead; nobody needs it.
  const server = createServer((_request, response) => response.end())
  await new Promise<void>(done => void server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  const network = await openConfinedNetwork({ address: '127.0.0.1', port: (server.address() as AddressInfo).port })
  t.teardown(() => network.close())
  const inside = [process.execPath, join(import.meta.dirname, 'nothing-leaves-inside.ts')]

  const quiet = await network.run(inside)
  t.match(quiet.output, /served: hello\n/, 'the appliance did its work')
  t.same(quiet.attempts, [], 'and tried to reach nobody')

  const leaky = await network.run([...inside, 'leak'])
  t.match(leaky.output, /no answer/)
  t.match(leaky.attempts, [{ address: '192.0.2.66', port: 4444 }], 'an attempt of the appliance itself is caught')
})
