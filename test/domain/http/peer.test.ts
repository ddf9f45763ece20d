import t from 'tap'
import { peerOf } from '#domain/http/peer.ts'

t.test('whoever connects is known by address and port; behind a proxy only by the address that it tells', async t => {
  const socket = { remoteAddress: '192.0.2.7', remotePort: 40_000 }
  t.strictSame(peerOf({ ip: '192.0.2.7', socket }), { address: '192.0.2.7', port: 40_000 })
  t.strictSame(peerOf({ ip: '203.0.113.9', socket }), { address: '203.0.113.9' }, 'the port is the proxy\'s')
  t.strictSame(peerOf({ ip: '192.0.2.7', socket: {} }), { address: '192.0.2.7' }, 'the connection is closed')
})
