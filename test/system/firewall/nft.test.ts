import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { ownKey } = await import('#system/firewall/backend.ts')
const { nftables } = await import('#system/firewall/nft.ts')
const { firewallOptions, SESSION_UID } = await import('#support/firewall-options.ts')
const { run } = await import('#system/kernel/run.ts')
const { all, listen, probe } = await import('#support/faults/network.ts')

const TABLE = 'ex10_test'
const OPTIONS = firewallOptions(TABLE)
const OWN = [8001, 9001, 10001].map(port => ({ uid: SESSION_UID, port }))
const backend = nftables(OPTIONS)
const signal = AbortSignal.timeout(120_000)
const target = { listener: { kind: 'tcp' as const, address: '127.0.0.1', port: 9001 } }
const asSession = ['setpriv', `--reuid=${SESSION_UID}`, `--regid=${SESSION_UID}`, '--clear-groups', '--']

/** Every rule of the table, as chain and handle. */
async function ruleHandles (): Promise<[string, string][]> {
  const { nftables } = JSON.parse(await run(['nft', '-j', 'list', 'table', 'inet', TABLE])) as { nftables: { rule?: { chain: string, handle: number } }[] }
  return nftables.flatMap(({ rule }) => rule ? [[rule.chain, String(rule.handle)] as [string, string]] : [])
}

t.beforeEach(() => backend.load([]))

t.test('the rules read back the same, however often they are loaded and whatever passes through them', async t => {
  const { rules, own } = await backend.read()
  t.strictSame([...own], [], 'no session has a port yet')
  t.equal(rules, await backend.expected(), 'as was to be expected before anything was loaded')
  t.ok(rules.includes('203.0.113.53') && rules.includes('2001:db8:1::53'), 'the resolvers are among what is compared')
  t.ok(rules.includes('10.20.0.0') && rules.includes('fd12:3456::'), 'and so are the nets that are opened')
  t.equal((await backend.read()).rules, rules, 'read again')

  await listen(t, [target.listener])
  t.strictSame(await probe(t, target), all(target, 'reached'), 'control: root reaches a listener')
  t.strictSame(await probe(t, target, asSession), all(target, 'refused'), 'a uid of the range does not')
  t.match(await run(['nft', 'list', 'chain', 'inet', TABLE, 'refuse']), /counter packets [1-9]/, 'so a counter has moved')
  t.equal((await backend.read()).rules, rules, 'after counters moved')

  await backend.add(OWN, signal)
  t.equal((await backend.read()).rules, rules, 'with a session')
  t.strictSame(await probe(t, target, asSession), all(target, 'reached'), 'whose port is open to it')
  await backend.remove(OWN, signal)
  t.equal((await backend.read()).rules, rules, 'after that session')

  await backend.load(OWN)
  t.strictSame(await backend.read(), { rules, own: new Set(OWN.map(ownKey)), isLoaded: true }, 'loaded again, at once with a session')
  await backend.unload()
  await backend.load([])
  t.equal((await backend.read()).rules, rules, 'loaded anew')
})

t.test('a rule that is missing, added or changed is noticed', async t => {
  const { rules } = await backend.read()
  const handles = await ruleHandles()
  t.ok(handles.length >= 15, 'the rules were found')
  for (const position of handles.keys()) {
    await backend.load([])
    const [chain, handle] = (await ruleHandles())[position]!
    await run(['nft', 'delete', 'rule', 'inet', TABLE, chain, 'handle', handle])
    t.not((await backend.read()).rules, rules, `rule ${position + 1}, of chain ${chain}, deleted`)
  }
  const changes: [string, string][] = [
    ['accept first', `insert rule inet ${TABLE} output accept`],
    ['accept in a session\'s chain', `insert rule inet ${TABLE} session tcp dport 6379 accept`],
    ['a rule at the end', `add rule inet ${TABLE} refuse accept`],
    ['a chain emptied', `flush chain inet ${TABLE} session`],
    ['the whole table emptied', `flush table inet ${TABLE}`],
    ['a chain more', `add chain inet ${TABLE} more { type filter hook output priority -1; policy accept; }`],
    ['another policy', `chain inet ${TABLE} output { policy drop; }`],
    ['the table put to sleep', `add table inet ${TABLE} { flags dormant; }`],
    ['a private range opened', `delete element inet ${TABLE} priv4 { 10.0.0.0/8 }`],
    ['all private ranges opened', `flush set inet ${TABLE} priv6`],
    ['a net more', `add element inet ${TABLE} nets4 { 172.16.0.0/12 }`],
    ['a resolver more', `add element inet ${TABLE} res4 { 127.0.0.1 }`],
    ['a resolver less', `delete element inet ${TABLE} res6 { 2001:db8::53 }`]
  ]
  for (const [name, command] of changes) {
    await backend.load([])
    t.equal((await backend.read()).rules, rules, 'control: loaded afresh, nothing is wrong')
    await run(['nft', '-f', '-'], { input: command + '\n' })
    t.not(await backend.read().then(loaded => loaded.rules, () => 'unreadable'), rules, name)
  }
  await backend.unload()
  t.strictSame(await backend.read(), { rules: '', own: new Set(), isLoaded: false }, 'without the table, nothing is loaded')
})

t.test('ports are opened and closed as often as asked, and never another session\'s', async t => {
  const other = [{ uid: SESSION_UID + 1, port: 9002 }]
  await backend.add(other, signal)
  await backend.add(OWN, signal)
  await backend.add(OWN, signal)
  t.strictSame((await backend.read()).own, new Set([...other, ...OWN].map(ownKey)), 'opened twice, there once')
  await backend.remove(OWN.slice(0, 1), signal)
  await backend.remove(OWN, signal)
  await backend.remove(OWN, signal)
  t.strictSame((await backend.read()).own, new Set(other.map(ownKey)), 'closed again, and the other session\'s port stays')
  await backend.unload()
  await backend.unload()
  await t.rejects(backend.add(OWN, signal), { name: 'CommandFailed' }, 'without the table, no port is opened')
  await backend.remove(OWN, signal)
})

t.test('a machine without resolvers, or with those of one family only, has its rules too', async t => {
  for (const resolvers of [{ resolvers4: [], resolvers6: [] }, { resolvers4: ['203.0.113.53'], resolvers6: [] }, { resolvers4: [], resolvers6: ['2001:db8::53'] }]) {
    const backend = nftables({ ...OPTIONS, ...resolvers, nets4: [], nets6: [] })
    await backend.load([])
    await backend.add(OWN, signal)
    const loaded = await backend.read()
    t.equal(loaded.rules, await backend.expected(), JSON.stringify(resolvers))
    t.equal(loaded.own.size, 3, 'and sessions\' ports')
  }
})

t.test('loading one table leaves every other as it is', async t => {
  await run(['nft', '-f', '-'], { input: 'table inet someone { chain forward { type filter hook forward priority 0; policy accept; counter accept; }; }\n' })
  const second = nftables({ ...OPTIONS, instance: 'ex10_second', uidMin: 80_000, uidMax: 80_999 })
  await second.load([])
  const before = await run(['nft', 'list', 'table', 'inet', 'someone'])
  await backend.add(OWN, signal)
  await backend.load([])
  await backend.unload()
  t.equal(await run(['nft', 'list', 'table', 'inet', 'someone']), before, 'somebody else\'s')
  t.equal((await second.read()).rules, await second.expected(), 'and another instance\'s')
})
