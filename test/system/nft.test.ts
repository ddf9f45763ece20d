import { enterOwnNetwork } from '../support/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { addOwnPorts, deleteOwnPorts, deleteTable, loadTable, ownKey, readTable } = await import('../../src/system/nft.ts')
const { run } = await import('../../src/system/run.ts')
const { all, listen, probe } = await import('../support/network.ts')

const TABLE = 'ex10_test'
const UID = 70_001
const OPTIONS = {
  table: TABLE,
  uidMin: 70_000,
  uidMax: 70_999,
  portRanges: [[8000, 8500], [9000, 9500], [10000, 10500]] as [number, number][],
  resolvers4: ['203.0.113.53', '198.51.100.53', '10.255.255.53'],
  resolvers6: ['2001:db8::53', '2001:db8:1::53']
}
const OWN = [8001, 9001, 10001].map(port => ({ uid: UID, port }))
const signal = AbortSignal.timeout(120_000)
const target = { listener: { kind: 'tcp' as const, address: '127.0.0.1', port: 9001 } }
const asSession = ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--']

/** Every rule of the table, as chain and handle. */
async function ruleHandles (): Promise<[string, string][]> {
  const { nftables } = JSON.parse(await run(['nft', '-j', 'list', 'table', 'inet', TABLE])) as { nftables: { rule?: { chain: string, handle: number } }[] }
  return nftables.flatMap(({ rule }) => rule ? [[rule.chain, String(rule.handle)] as [string, string]] : [])
}

t.beforeEach(() => loadTable(OPTIONS))

t.test('the rules read back the same, however often they are loaded and whatever passes through them', async t => {
  const { rules, own } = await readTable(TABLE)
  t.strictSame([...own], [], 'no session has a port yet')
  t.ok(rules.includes('203.0.113.53') && rules.includes('2001:db8:1::53'), 'the resolvers are among what is compared')
  t.equal((await readTable(TABLE)).rules, rules, 'read again')

  await listen(t, [target.listener])
  t.strictSame(await probe(t, target), all(target, 'reached'), 'control: root reaches a listener')
  t.strictSame(await probe(t, target, asSession), all(target, 'refused'), 'a uid of the range does not')
  t.match(await run(['nft', 'list', 'chain', 'inet', TABLE, 'refuse']), /counter packets [1-9]/, 'so a counter has moved')
  t.equal((await readTable(TABLE)).rules, rules, 'after counters moved')

  await addOwnPorts(TABLE, OWN, signal)
  t.equal((await readTable(TABLE)).rules, rules, 'with a session')
  t.strictSame(await probe(t, target, asSession), all(target, 'reached'), 'whose port is open to it')
  await deleteOwnPorts(TABLE, OWN, signal)
  t.equal((await readTable(TABLE)).rules, rules, 'after that session')

  await loadTable(OPTIONS)
  t.equal((await readTable(TABLE)).rules, rules, 'loaded again')
  await deleteTable(TABLE)
  await loadTable(OPTIONS)
  t.equal((await readTable(TABLE)).rules, rules, 'loaded anew')
})

t.test('a rule that is missing, added or changed is noticed', async t => {
  const { rules } = await readTable(TABLE)
  const handles = await ruleHandles()
  t.ok(handles.length >= 15, 'the rules were found')
  for (const position of handles.keys()) {
    await loadTable(OPTIONS)
    const [chain, handle] = (await ruleHandles())[position]!
    await run(['nft', 'delete', 'rule', 'inet', TABLE, chain, 'handle', handle])
    t.not((await readTable(TABLE)).rules, rules, `rule ${position + 1}, of chain ${chain}, deleted`)
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
    ['a resolver more', `add element inet ${TABLE} res4 { 127.0.0.1 }`],
    ['a resolver less', `delete element inet ${TABLE} res6 { 2001:db8::53 }`]
  ]
  for (const [name, command] of changes) {
    await loadTable(OPTIONS)
    t.equal((await readTable(TABLE)).rules, rules, 'control: loaded afresh, nothing is wrong')
    await run(['nft', '-f', '-'], { input: command + '\n' })
    t.not(await readTable(TABLE).then(loaded => loaded.rules, () => 'unreadable'), rules, name)
  }
  await deleteTable(TABLE)
  await t.rejects(readTable(TABLE), { name: 'CommandFailed' }, 'without the table, reading it fails')
})

t.test('ports are opened and closed as often as asked, and never another session\'s', async t => {
  const other = [{ uid: UID + 1, port: 9002 }]
  await addOwnPorts(TABLE, other, signal)
  await addOwnPorts(TABLE, OWN, signal)
  await addOwnPorts(TABLE, OWN, signal)
  t.strictSame((await readTable(TABLE)).own, new Set([...other, ...OWN].map(ownKey)), 'opened twice, there once')
  await deleteOwnPorts(TABLE, OWN.slice(0, 1), signal)
  await deleteOwnPorts(TABLE, OWN, signal)
  await deleteOwnPorts(TABLE, OWN, signal)
  t.strictSame((await readTable(TABLE)).own, new Set(other.map(ownKey)), 'closed again, and the other session\'s port stays')
  await deleteTable(TABLE)
  await deleteTable(TABLE)
  await t.rejects(addOwnPorts(TABLE, OWN, signal), { name: 'CommandFailed' }, 'without the table, no port is opened')
})

t.test('a machine without resolvers, or with those of one family only, has its rules too', async t => {
  for (const resolvers of [{ resolvers4: [], resolvers6: [] }, { resolvers4: ['203.0.113.53'], resolvers6: [] }, { resolvers4: [], resolvers6: ['2001:db8::53'] }]) {
    await loadTable({ ...OPTIONS, ...resolvers })
    const { rules } = await readTable(TABLE)
    await addOwnPorts(TABLE, OWN, signal)
    const loaded = await readTable(TABLE)
    t.equal(loaded.rules, rules, JSON.stringify(resolvers))
    t.equal(loaded.own.size, 3, 'and sessions\' ports')
  }
})

t.test('loading one table leaves every other as it is', async t => {
  await run(['nft', '-f', '-'], { input: 'table inet someone { chain forward { type filter hook forward priority 0; policy accept; counter accept; }; }\n' })
  await loadTable({ ...OPTIONS, table: 'ex10_second', uidMin: 80_000, uidMax: 80_999 })
  const { rules } = await readTable('ex10_second')
  const before = await run(['nft', 'list', 'table', 'inet', 'someone'])
  await addOwnPorts(TABLE, OWN, signal)
  await loadTable(OPTIONS)
  await deleteTable(TABLE)
  t.equal(await run(['nft', 'list', 'table', 'inet', 'someone']), before, 'somebody else\'s')
  t.equal((await readTable('ex10_second')).rules, rules, 'and another instance\'s')
})
