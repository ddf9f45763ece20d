import t from 'tap'
import { readNets } from '#domain/machine/nets.ts'

t.test('nets of both families are read, and one that lies within another is left out', async t => {
  t.strictSame(readNets([]), { nets4: [], nets6: [] })
  t.strictSame(readNets(['10.20.0.0/16', 'fd12:3456::/32', '192.168.7.9', 'fd00::1']), { nets4: ['10.20.0.0/16', '192.168.7.9/32'], nets6: ['fd12:3456::/32', 'fd00::1/128'] })
  t.strictSame(readNets(['10.1.0.0/16', '10.2.3.4/8', '10.9.9.9', '10.0.0.0/8', '11.0.0.0/8', 'fd12::/16', 'fd00::/8', 'fc00::/8', 'fc00::/8']),
    { nets4: ['10.2.3.4/8', '11.0.0.0/8'], nets6: ['fd00::/8', 'fc00::/8'] })
})

t.test('what is no net is refused, with an example of one', async t => {
  const wrong = ['', 'intranet', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/a', '10.0.0.0/0x8', '010.0.0.0/8', ' 10.0.0.0/8', '10.0.0.0-10.0.0.9', 'fd00::/129', 'fd00::/64%eth0', 'fd00::%eth0/64', 'fd00:::/8', '10.0.0.0/8\n', '10.0.0.0/8; accept']
  for (const text of wrong) t.throws(() => readNets(['10.0.0.0/8', text]), /such as 10\.20\.0\.0\/16/, JSON.stringify(text))
})

t.test('nets with addresses of this machine, of the link or of multicast are refused, however they are written', async t => {
  const never = ['127.0.0.1', '127.0.0.0/8', '127.9.9.9/30', '0.0.0.0', '0.0.0.0/0', '0.0.0.0/1', '64.0.0.0/2', '128.0.0.0/1', '169.254.169.254', '224.0.0.1', '255.255.255.255', '240.0.0.0/4',
    '::', '::1', '::1/64', '::/0', '::/8', '::ffff:10.0.0.1', '::ffff:10.0.0.0/104', '::ffff:127.0.0.1/128', 'fe80::1', 'fe80::/64', 'fc00::/6', 'ff02::1',
    '64:ff9b::/96', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe', '64:ff9b::e000:1']
  for (const text of never) t.throws(() => readNets([text]), /sessions never reach/, text)
  const allowed = ['126.0.0.0/8', '192.0.0.0/3', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '203.0.113.0/24', '223.255.255.255', '::2', 'fc00::/7', 'fd00:ec2::254', '64:ff9b::a00:0/104', '2001:db8::/32']
  for (const text of allowed) t.doesNotThrow(() => readNets([text]), text)
})
