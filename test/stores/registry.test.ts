import t, { type Test } from 'tap'
import * as memory from '#stores/memory/registry.ts'
import * as sqlite from '#stores/sqlite/registry.ts'
import { factsOf } from '#support/facts.ts'

const BACKENDS: Record<string, (t: Test) => sqlite.Registry> = {
  sqlite: t => sqlite.openRegistry(`${t.testdir()}/registry.db`),
  memory: () => memory.openRegistry()
}

/** Tests one promise of RegistryStore, ClockStore or UidCounter against each backend, each time with an empty registry. */
function contract (promise: string, check: (t: Test, registry: sqlite.Registry) => Promise<void>): void {
  for (const [backend, open] of Object.entries(BACKENDS)) {
    t.test(`${backend}: ${promise}`, async t => {
      const registry = open(t)
      t.teardown(() => registry.sessions.close())
      await check(t, registry)
    })
  }
}

contract('a session that was recorded is there with all its facts, from its intent on, until nothing of it is left', async (t, { sessions }) => {
  await sessions.record(factsOf('a'))
  t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'creating', version: 0 }])
  await sessions.ready('a')
  t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'ready', version: 0 }])
  await sessions.stopping('a', 'idle')
  t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'stopping', version: 0, reason: 'idle' }])
  await sessions.ended('a', 'ended')
  t.strictSame(await sessions.live(), [])
})

contract('sessions that have not ended are told oldest first', async (t, { sessions }) => {
  for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) await sessions.record(factsOf(id, new Date(4 - i)))
  await sessions.ended('a', 'ended')
  await sessions.ended('b', 'failed')
  t.strictSame((await sessions.live()).map(({ id }) => id), ['d', 'c'])
})

contract('an ended session is found with why and when it ended, until it is pruned; what lives is not pruned', async (t, { sessions }) => {
  for (const id of ['a', 'b']) await sessions.record(factsOf(id))
  t.match(await sessions.find('a'), { id: 'a', owner: 'local', state: 'creating', reason: undefined, endedAt: undefined })
  await sessions.stopping('a', 'deleted')
  await sessions.stopping('a', 'idle')
  await sessions.ended('a', 'ended')
  t.match(await sessions.find('a'), { state: 'ended', reason: 'idle', endedAt: Date }, 'with the reason of the last try')
  await sessions.ended('a', 'ended')
  t.match(await sessions.find('a'), { state: 'ended', reason: 'idle' }, 'an end that is told twice is one')
  t.equal(await sessions.find('never'), undefined)
  await sessions.prune(new Date(Date.now() - 60_000))
  t.ok(await sessions.find('a'))
  await sessions.prune(new Date(Date.now() + 60_000))
  t.equal(await sessions.find('a'), undefined)
  t.match(await sessions.live(), [{ id: 'b' }])
})

contract('a completed creation is found by its request\'s key, also when the session has ended; one that failed, or was not completed, is not', async (t, { sessions }) => {
  const request = { key: 'k1', fingerprint: 'f1' }
  await sessions.record({ ...factsOf('failed'), request })
  await sessions.ended('failed', 'failed')
  await sessions.record({ ...factsOf('a'), request })
  t.equal(await sessions.findCompleted('k1'), undefined, 'not before it is completed')
  await sessions.ready('a')
  await sessions.record({ ...factsOf('other'), request: { key: 'k2', fingerprint: 'f1' } })
  await sessions.ready('other')
  await sessions.record(factsOf('without'))
  await sessions.ready('without')
  t.match(await sessions.findCompleted('k1'), { facts: { ...factsOf('a'), request }, completedAt: Date })
  await sessions.stopping('a', 'deleted')
  await sessions.ended('a', 'ended')
  t.match(await sessions.findCompleted('k1'), { facts: { id: 'a' } })
  await sessions.stopping('other', 'failed')
  await sessions.ended('other', 'failed')
  t.equal(await sessions.findCompleted('k2'), undefined, 'it was to be ready, and then its creation failed all the same')
  await sessions.restore({ ...factsOf('lost'), request: { key: 'k3', fingerprint: 'f3' } }, 'ready')
  t.match(await sessions.findCompleted('k3'), { facts: { id: 'lost' } })
  await sessions.prune(new Date(Date.now() + 60_000))
  t.equal(await sessions.findCompleted('k1'), undefined)
})

contract('an id is recorded once, and a second try changes nothing', async (t, { sessions }) => {
  await sessions.record(factsOf('a'))
  await sessions.ready('a')
  await t.rejects(sessions.record({ ...factsOf('a'), owner: 'other' }))
  t.match(await sessions.live(), [{ id: 'a', owner: 'local', state: 'ready' }])
})

contract('a session that is found on the machine is recorded as it is found, unless it is known, also as one that ended', async (t, { sessions }) => {
  await sessions.record(factsOf('live'))
  await sessions.record(factsOf('over'))
  await sessions.ended('over', 'ended')
  t.strictSame(await Promise.all(['live', 'over', 'lost'].map(id => sessions.restore(factsOf(id), 'ready'))), [false, false, true])
  t.strictSame((await sessions.live()).map(({ id, state }) => [id, state]), [['live', 'creating'], ['lost', 'ready']])
})

contract('an end of a session that was never recorded is nothing, and a push to it is an error', async (t, { sessions }) => {
  await sessions.stopping('never', 'failed')
  await sessions.ended('never', 'failed')
  t.equal(await sessions.find('never'), undefined)
  await t.rejects(sessions.addVersion('never'))
})

contract('what is asked without waiting takes effect in the order in which it was asked', async (t, { sessions }) => {
  await Promise.all([sessions.record(factsOf('a')), sessions.ready('a'), sessions.stopping('a', 'deleted')])
  t.match(await sessions.find('a'), { state: 'stopping' })
})

contract('pushes are counted, each session\'s by itself', async (t, { sessions }) => {
  await sessions.record(factsOf('a'))
  await sessions.record(factsOf('b'))
  t.strictSame(await Promise.all([sessions.addVersion('a'), sessions.addVersion('a'), sessions.addVersion('b')]), [1, 2, 1])
  t.equal((await sessions.find('a'))?.version, 2)
})

contract('what the store tells is a copy: to change it changes no record', async (t, { sessions }) => {
  const facts = factsOf('a')
  await sessions.record(facts)
  facts.account.name = 'another'
  for (const told of [(await sessions.live())[0]!, (await sessions.find('a'))!]) told.account.name = 'another'
  t.equal((await sessions.find('a'))?.account.name, 'ex10_user_0a0b0c0d')
})

contract('how far a session\'s clocks are is noted, the last time counts, and a session that is not recorded is passed over', async (t, { sessions, clocks }) => {
  await sessions.record(factsOf('a'))
  t.equal(await clocks.noted('a'), undefined)
  const note = { wall: new Date('2026-01-01T00:00:00Z'), bootId: 'a boot', uptimeMs: 5000, ageMs: 400, idleMs: 30, isUsed: true }
  await clocks.note([['a', { ...note, ageMs: 399.6 }], ['never', note]])
  t.strictSame(await clocks.noted('a'), note)
  await clocks.note([['a', { ...note, isUsed: false }]])
  t.equal((await clocks.noted('a'))?.isUsed, false)
  t.equal(await clocks.noted('never'), undefined)
})

contract('the count of uids is what was set last', async (t, { sessions, uids }) => {
  t.equal(uids.get(), undefined)
  uids.set(1)
  uids.set(2)
  t.equal(uids.get(), 2)
})
