import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openConfinedNetwork } from './confined-network.ts'

t.setTimeout(120_000)

/** Each tries to reach somebody in another way; none of them may be overlooked. Addresses are those of documentation (RFC 5737, 3849). */
const PLANTED = {
  'TCP': ["require('net').connect(443, '192.0.2.1').on('error', () => {})", '192.0.2.1', 443],
  'TCP over IPv6': ["require('net').connect(443, '2001:db8::1').on('error', () => {})", '2001:db8::1', 443],
  'a datagram': ["require('dgram').createSocket('udp4').send('x', 53, '192.0.2.2', () => process.exit())", '192.0.2.2', 53],
  'a datagram of a connected socket': ["const s = require('dgram').createSocket('udp4'); s.connect(123, '192.0.2.3', () => process.exit()); s.on('error', () => process.exit())", '192.0.2.3', 123],
  'a grandchild that has left its group': ["require('child_process').spawn('setsid', ['sh', '-c', 'exec 3<>/dev/null; curl -s --max-time 1 http://192.0.2.4:8080/ & wait'], { detached: true })", '192.0.2.4', 8080],
} as const

await t.test('whoever tries to reach anything but the peer is seen, however it is tried', { skip: process.getuid?.() === 0 ? false : 'network namespaces need root' }, async t => {
  const server = createServer((_request, response) => response.end('peer'))
  await new Promise<void>(done => void server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  const network = await openConfinedNetwork({ address: '127.0.0.1', port: (server.address() as AddressInfo).port })
  t.teardown(() => network.close())
  for (const [how, [script, address, port]] of Object.entries(PLANTED)) {
    const { attempts } = await network.run([process.execPath, '-e', script])
    t.match(attempts, [{ address, port }], how)
  }
  const good = await network.run(['curl', '-s', `http://${network.peer.address}:${network.peer.port}/`])
  t.equal(good.output, 'peer')
  t.same(good.attempts, [], 'the peer is who may be reached')
})
