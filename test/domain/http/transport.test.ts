import t from 'tap'
import { isPrivate } from '#domain/http/transport.ts'

const here = { localAddress: '192.0.2.1', remoteAddress: '192.0.2.1' }
const elsewhere = { localAddress: '192.0.2.1', remoteAddress: '192.0.2.9' }

t.test('nobody reads a request by https, from loopback, or from this machine to its own address', async t => {
  t.ok(isPrivate({ protocol: 'https', ip: '203.0.113.9', socket: elsewhere }))
  for (const ip of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) t.ok(isPrivate({ protocol: 'http', ip, socket: { localAddress: ip, remoteAddress: ip } }), ip)
  t.ok(isPrivate({ protocol: 'http', ip: '192.0.2.1', socket: here }))
})

t.test('others may read a request by http from another machine, also when a proxy on this machine passes it on', async t => {
  for (const ip of ['192.0.2.9', '10.127.0.1', '::ffff:192.0.2.9', '2001:db8::1']) t.notOk(isPrivate({ protocol: 'http', ip, socket: { localAddress: '192.0.2.1', remoteAddress: ip } }), ip)
  t.notOk(isPrivate({ protocol: 'http', ip: '203.0.113.9', socket: { localAddress: '127.0.0.1', remoteAddress: '127.0.0.1' } }))
  t.notOk(isPrivate({ protocol: 'http', ip: '203.0.113.9', socket: here }))
})
