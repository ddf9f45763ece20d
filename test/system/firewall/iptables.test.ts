import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { ownKey } = await import('#system/firewall/backend.ts')
const { iptables } = await import('#system/firewall/iptables.ts')
const { firewallOptions, SESSION_UID } = await import('#support/firewall-options.ts')
const { run } = await import('#system/kernel/run.ts')

const INSTANCE = 'ex10_twelvelette' // as long as a name may be
const OPTIONS = firewallOptions(INSTANCE)
const OWN = [8001, 9001, 10001].map(port => ({ uid: SESSION_UID, port }))
const OTHER = [{ uid: SESSION_UID + 1, port: 9002 }]
const BOTH = ['iptables-legacy', 'ip6tables-legacy']
const backend = iptables(OPTIONS)
const signal = AbortSignal.timeout(120_000)

/** All rules of a family but ours. */
async function others (tool: string, instance = INSTANCE): Promise<string[]> {
  const saved = await run([`${tool}-save`, '-t', 'filter'])
  return saved.split('\n').filter(line => /^(:|-A)/.test(line) && !line.includes(`${instance}-`)).map(line => line.replace(/\[.*/, ''))
}

t.beforeEach(() => backend.load([]))

t.test('the rules of both families read back as expected, however often they are loaded, with sessions and without', async t => {
  const rules = await backend.expected()
  t.strictSame(await backend.read(), { rules, own: new Set(), isLoaded: true }, 'loaded')
  t.ok(rules.includes('203.0.113.53') && rules.includes('2001:db8:1::53'), 'the resolvers are among what is compared')
  t.ok(rules.includes('10.20.0.0') && rules.includes('fd12:3456::'), 'and so are the nets that are opened')
  await backend.load([...OWN, ...OTHER])
  t.strictSame(await backend.read(), { rules, own: new Set([...OTHER, ...OWN].map(ownKey)), isLoaded: true }, 'loaded again, at once with two sessions')
  await backend.unload()
  await backend.load(OWN)
  t.strictSame(await backend.read(), { rules, own: new Set(OWN.map(ownKey)), isLoaded: true }, 'loaded anew')
})

t.test('a rule that is missing, added or changed in either family is noticed, and loading puts it right', async t => {
  const rules = await backend.expected()
  for (const tool of BOTH) {
    const saved = await run([`${tool}-save`, '-t', 'filter'])
    const ours = saved.split('\n').filter(line => line.startsWith('-A') && line.includes(`${INSTANCE}-`))
    t.ok(ours.length >= 20, 'the rules were found')
    const changes = [
      ...ours.map(line => line.replace('-A', '-D')),
      '-I OUTPUT 1 -j ACCEPT',
      '-I OUTPUT 1 -p tcp --dport 22 -j ACCEPT',
      `-A OUTPUT -j ${INSTANCE}-session`,
      `-I ${INSTANCE}-session 3 -p tcp --dport 6379 -j RETURN`,
      `-A ${INSTANCE}-refuse -j ACCEPT`,
      `-I ${INSTANCE}-serve 1 -p tcp -m owner --uid-owner ${SESSION_UID} -j RETURN`,
      `-I ${INSTANCE}-serve 1 -p tcp -m owner --uid-owner ${SESSION_UID} -m multiport --sports 9003 -j RETURN`,
      `-F ${INSTANCE}-session`,
      `-N ${INSTANCE}-more`,
      '-F OUTPUT',
      '-F'
    ]
    for (const change of changes) {
      await run([tool, ...change.split(' ')] as [string, ...string[]])
      t.not((await backend.read()).rules, rules, `${tool} ${change}`)
      await backend.load(OWN)
      t.strictSame(await backend.read(), { rules, own: new Set(OWN.map(ownKey)), isLoaded: true }, 'loaded, all is well')
      if (change.startsWith('-I OUTPUT')) await run([tool, ...change.replace('-I OUTPUT 1', '-D OUTPUT').split(' ')] as [string, ...string[]])
    }
  }
})

t.test('ports are opened and closed as often as asked, in both families, and never another session\'s', async t => {
  await backend.add(OTHER, signal)
  await backend.add(OWN.slice(1), signal)
  await backend.add(OWN, signal)
  t.strictSame((await backend.read()).own, new Set([...OWN, ...OTHER].map(ownKey)), 'opened twice, there once')
  for (const tool of BOTH) t.equal((await run([`${tool}-save`])).match(new RegExp(`--uid-owner ${SESSION_UID} `, 'g'))?.length, 2, `${tool}: two rules a session`)
  await backend.remove(OWN.slice(0, 1), signal)
  t.strictSame((await backend.read()).own, new Set([...OWN.slice(1), ...OTHER].map(ownKey)), 'one closed')
  await backend.remove(OWN, signal)
  await backend.remove(OWN, signal)
  t.strictSame((await backend.read()).own, new Set(OTHER.map(ownKey)), 'all closed, and the other session\'s port stays')
  await backend.unload()
  await backend.unload()
  await t.rejects(backend.add(OWN, signal), { name: 'CommandFailed' }, 'without the rules, no port is opened')
  await backend.remove(OWN, signal)
})

t.test('loading and unloading leaves the rules of others, and another instance\'s, as they are', async t => {
  const second = iptables({ ...OPTIONS, instance: 'ex10_twelvelett', uidMin: 80_000, uidMax: 80_999 })
  await backend.unload()
  for (const tool of BOTH) {
    await run([tool, '-N', 'someone'])
    await run([tool, '-A', 'someone', '-m', 'comment', '--comment', `not -j ${INSTANCE}-session`, '-j', 'ACCEPT'])
    await run([tool, '-A', 'OUTPUT', '-p', 'tcp', '--dport', '25', '-j', 'someone'])
    await run([tool, '-A', 'FORWARD', '-j', 'DROP'])
  }
  const before = await Promise.all(BOTH.map(tool => others(tool, 'ex10_no')))
  await second.load([])
  await backend.load(OWN)
  await second.load([])
  t.equal((await backend.read()).rules, await backend.expected(), 'another instance may stand before this one')
  t.equal((await second.read()).rules, await second.expected())
  await backend.unload()
  t.equal((await second.read()).rules, await second.expected(), 'the other instance\'s are untouched')
  await second.unload()
  t.strictSame(await Promise.all(BOTH.map(tool => others(tool, 'ex10_no'))), before, 'and so are all others')
})
