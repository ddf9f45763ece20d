import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { enforce } = await import('#system/firewall/firewall.ts')
const { ownKey } = await import('#system/firewall/backend.ts')
const { iptables } = await import('#system/firewall/iptables.ts')
const { nftables } = await import('#system/firewall/nft.ts')
const { run } = await import('#system/kernel/run.ts')

const OPTIONS = { instance: 'ex10_test', uidMin: 70_000, uidMax: 70_999, portRanges: [[8000, 8500]] as [number, number][], resolvers4: ['203.0.113.53'], resolvers6: [], nets4: [], nets6: [] }
const A = [{ uid: 70_001, port: 8001 }]
const B = [{ uid: 70_002, port: 8002 }]
const keys = (...own: typeof A[]) => new Set(own.flat().map(ownKey))
const signal = AbortSignal.timeout(120_000)

for (const make of [nftables, iptables]) {
  const backend = make(OPTIONS)

  t.test(`${backend.name}: a server that starts again takes over the rules of sessions that live, and closes what is left of others`, async t => {
    t.teardown(() => backend.unload())
    const first = await enforce(backend, new Map())
    await first.open('a', A, signal)
    await first.open('b', B, signal)

    // a rule's counter goes back to 0 when it is loaded again
    const counters = async () => (await run(backend.name === 'nftables' ? ['nft', 'list', 'chain', 'inet', 'ex10_test', 'refuse'] : ['iptables-legacy-save', '-c', '-t', 'filter'])).replace(/^#.*$/mg, '')
    const fresh = await counters()
    const asSession = ['setpriv', '--reuid=70001', '--regid=70001', '--clear-groups', '--'] as const
    await t.rejects(run([...asSession, 'bash', '-c', 'echo > /dev/tcp/127.0.0.1/9']), 'a session is refused')
    const before = await counters()
    t.not(before, fresh, 'and this was counted')

    const second = await enforce(backend, new Map([['a', A], ['b', B]]))
    t.equal(await counters(), before, 'what is right was left alone')
    t.strictSame((await backend.read()).own, keys(A, B))
    await second.close('b', signal)
    t.strictSame((await backend.read()).own, keys(A))

    await backend.add(B, signal)
    const third = await enforce(backend, new Map([['a', A]]))
    t.strictSame((await backend.read()).own, keys(A), 'the ports of a session that is not among them were closed')
    await third.close('b', signal)

    await backend.unload()
    await t.rejects(third.verify(), 'without the rules, nothing is in force')
    const found: string[] = []
    await third.repair(damage => found.push(damage))
    await third.repair(damage => found.push(damage))
    t.equal(found.length, 1, 'damage is found once')
    t.strictSame((await backend.read()).own, keys(A), 'and repaired')
    await third.verify()
    await third.release()
    t.strictSame((await backend.read().catch(() => ({ own: new Set() }))).own, new Set(), 'at last, nothing is left')
  })

  t.test(`${backend.name}: rules for other resolvers take the place of the earlier ones, with the ports of sessions that live; those that cannot be loaded do not`, async t => {
    const rules = await enforce(backend, new Map([['a', A]]))
    t.teardown(() => rules.release())
    const other = make({ ...OPTIONS, resolvers4: ['198.51.100.53'], resolvers6: ['2001:db8::53'] })
    await rules.change(other)
    t.strictSame(await backend.read(), { rules: await other.expected(), own: keys(A), isLoaded: true }, 'they are in force')
    await rules.open('b', B, signal)
    await rules.verify()

    const wrong = { ...backend, load: () => backend.load([]).then(() => { throw new Error('half') }) }
    await t.rejects(rules.change(wrong), { message: 'half' })
    t.strictSame(await backend.read(), { rules: await other.expected(), own: keys(A, B), isLoaded: true }, 'what was in force is so again, also when it was loaded in part')
    await t.rejects(rules.change(make({ ...OPTIONS, resolvers4: ['no address'] })))
    await rules.verify()
    t.strictSame((await backend.read()).rules, await other.expected(), 'or was left alone')
    await backend.unload()
    await rules.repair(() => {})
    t.strictSame((await backend.read()).rules, await other.expected(), 'what is restored is what was changed to')
  })
}
