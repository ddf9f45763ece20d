import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { TrafficCounters, isGone } = await import('#system/firewall/traffic-counters.ts')
const { nftables } = await import('#system/firewall/nft.ts')
const { firewallOptions, SESSION_UID } = await import('#support/firewall-options.ts')
const { run } = await import('#system/kernel/run.ts')
const { listen, makeInternet, probe } = await import('#support/faults/network.ts')

const OPTIONS = firewallOptions('ex10_test')
const far = { far: { kind: 'tcp' as const, address: '203.0.113.1', port: 80 } }
const near = { near: { kind: 'tcp' as const, address: '127.0.0.1', port: 9001 } }
const as = (uid: number) => ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']

t.test('the bytes of each uid to other machines and from them are counted, over loads of the rules and restarts of the server', async t => {
  const { enter } = await makeInternet(t, ['203.0.113.1/24'])
  await listen(t, [far.far], enter)
  await listen(t, [near.near])
  const backend = nftables(OPTIONS)
  await backend.load([{ uid: SESSION_UID, port: 9001 }])
  const counters = new TrafficCounters(OPTIONS)
  await counters.open()
  t.equal((await counters.read()).size, 0, 'no uid has had traffic')

  t.strictSame(await probe(t, near, as(SESSION_UID)), { near: 'reached' })
  t.equal((await counters.read()).size, 0, 'what stays on this machine does not count')
  t.strictSame(await probe(t, far, as(SESSION_UID)), { far: 'reached' })
  const first = (await counters.read()).get(SESSION_UID)
  t.ok(first && first.sentBytes >= 40 && first.receivedBytes >= 40, 'both ways', { ...first })
  t.strictSame(await probe(t, far), { far: 'reached' })
  t.strictSame([...(await counters.read())], [[SESSION_UID, first]], 'root\'s traffic is no session\'s')

  await backend.load([])
  await new TrafficCounters(OPTIONS).open()
  t.strictSame((await counters.read()).get(SESSION_UID), first, 'nothing was lost')
  await probe(t, far, as(SESSION_UID))
  await probe(t, far, as(SESSION_UID + 1))
  const all = await counters.read()
  t.ok(all.get(SESSION_UID)!.sentBytes > first!.sentBytes)
  t.equal(all.size, 2)
  await counters.forget([SESSION_UID, SESSION_UID + 9])
  t.strictSame([...(await counters.read()).keys()], [SESSION_UID + 1], 'a forgotten uid begins at 0')

  await counters.close()
  t.notMatch(await run(['nft', 'list', 'tables']), /traffic/)
  t.ok(isGone(await counters.read().catch(error => error)))
  await backend.unload()
})
