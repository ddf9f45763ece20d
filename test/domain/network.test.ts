import t from 'tap'
import { networkOf } from '../../src/domain/network.ts'

t.test('whoever asks from one address, or from one /64 of IPv6, counts as one', async t => {
  const one = { '127.0.0.1': '127.0.0.1', '::ffff:10.1.2.3': '10.1.2.3', '::FFFF:10.1.2.3': '10.1.2.3', '10.1.2.3': '10.1.2.3' }
  for (const [ip, network] of Object.entries(one)) t.equal(networkOf(ip), network)
  for (const ip of ['2001:db8:1:2::1', '2001:0db8:0001:0002:ffff:0:0:9', '2001:DB8:1:2::', '2001:db8:1:2:3:4:10.0.0.1']) t.equal(networkOf(ip), '2001:db8:1:2::/64', ip)
  for (const ip of ['::1', '::', '0:0:0:0:9::']) t.equal(networkOf(ip), '0:0:0:0::/64', ip)
  t.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64')
  t.equal(networkOf('2001:db8:0:5::'), '2001:db8:0:5::/64')
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  t.not(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'), 'the next one is another')
})
