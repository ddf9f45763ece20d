import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import * as memory from '#stores/memory/registry.ts'
import * as sqlite from '#stores/sqlite/registry.ts'
import { factsOf } from '#support/facts.ts'

/** What each backend of the registry has to do, as RegistryStore, ClockStore and UidCounter say it. */
const BACKENDS: Record<string, (t: Test) => sqlite.Registry> = {
  sqlite (t) {
    const folder = mkdtempSync(`${tmpdir()}/ex10-registry-`)
    t.teardown(() => rmSync(folder, { recursive: true }))
    return sqlite.openRegistry(`${folder}/registry.db`)
  },
  memory: () => memory.openRegistry()
}

for (const [backend, open] of Object.entries(BACKENDS)) {
  t.test(backend, async t => {
    t.test('a session that was recorded is there with all its facts, from its intent on, until nothing of it is left', async t => {
      const { sessions } = open(t)
      await sessions.record(factsOf('a'))
      t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'creating', version: 0 }])
      await sessions.ready('a')
      t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'ready', version: 0 }])
      await sessions.stopping('a', 'idle')
      t.strictSame(await sessions.live(), [{ ...factsOf('a'), state: 'stopping', version: 0, reason: 'idle' }])
      await sessions.ended('a', 'ended')
      t.strictSame(await sessions.live(), [])
      await sessions.close()
    })

    t.test('sessions that have not ended are told oldest first', async t => {
      const { sessions } = open(t)
      for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) await sessions.record(factsOf(id, new Date(4 - i)))
      await sessions.ended('a', 'ended')
      await sessions.ended('b', 'failed')
      t.strictSame((await sessions.live()).map(({ id }) => id), ['d', 'c'])
      await sessions.close()
    })

    t.test('an ended session is found with why and when it ended, until it is pruned; what lives is not pruned', async t => {
      const { sessions } = open(t)
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
      await sessions.close()
    })

    t.test('an id is recorded once, and a second try changes nothing', async t => {
      const { sessions } = open(t)
      await sessions.record(factsOf('a'))
      await sessions.ready('a')
      await t.rejects(sessions.record({ ...factsOf('a'), owner: 'other' }))
      t.match(await sessions.live(), [{ id: 'a', owner: 'local', state: 'ready' }])
      await sessions.close()
    })

    t.test('a session that is found on the machine is recorded as it is found, unless it is known, also as one that ended', async t => {
      const { sessions } = open(t)
      await sessions.record(factsOf('live'))
      await sessions.record(factsOf('over'))
      await sessions.ended('over', 'ended')
      t.strictSame(await Promise.all(['live', 'over', 'lost'].map(id => sessions.restore(factsOf(id), 'ready'))), [false, false, true])
      t.strictSame((await sessions.live()).map(({ id, state }) => [id, state]), [['live', 'creating'], ['lost', 'ready']])
      await sessions.close()
    })

    t.test('an end of a session that was never recorded is nothing, and a push to it is an error', async t => {
      const { sessions } = open(t)
      await sessions.stopping('never', 'failed')
      await sessions.ended('never', 'failed')
      t.equal(await sessions.find('never'), undefined)
      await t.rejects(sessions.addVersion('never'))
      await sessions.close()
    })

    t.test('what is asked without waiting takes effect in the order in which it was asked', async t => {
      const { sessions } = open(t)
      await Promise.all([sessions.record(factsOf('a')), sessions.ready('a'), sessions.stopping('a', 'deleted')])
      t.match(await sessions.find('a'), { state: 'stopping' })
      await sessions.close()
    })

    t.test('pushes are counted, each session\'s by itself', async t => {
      const { sessions } = open(t)
      await sessions.record(factsOf('a'))
      await sessions.record(factsOf('b'))
      t.strictSame(await Promise.all([sessions.addVersion('a'), sessions.addVersion('a'), sessions.addVersion('b')]), [1, 2, 1])
      t.equal((await sessions.find('a'))?.version, 2)
      await sessions.close()
    })

    t.test('what the store tells is a copy: to change it changes no record', async t => {
      const { sessions } = open(t)
      const facts = factsOf('a')
      await sessions.record(facts)
      facts.account.name = 'another'
      for (const told of [(await sessions.live())[0]!, (await sessions.find('a'))!]) told.account.name = 'another'
      t.equal((await sessions.find('a'))?.account.name, 'ex10_user_0a0b0c0d')
      await sessions.close()
    })

    t.test('how far a session\'s clocks are is noted, the last time counts, and a session that is not recorded is passed over', async t => {
      const { sessions, clocks } = open(t)
      await sessions.record(factsOf('a'))
      t.equal(await clocks.noted('a'), undefined)
      const note = { wall: new Date('2026-01-01T00:00:00Z'), bootId: 'a boot', uptimeMs: 5000, ageMs: 400, idleMs: 30, isUsed: true }
      await clocks.note([['a', { ...note, ageMs: 399.6 }], ['never', note]])
      t.strictSame(await clocks.noted('a'), note)
      await clocks.note([['a', { ...note, isUsed: false }]])
      t.equal((await clocks.noted('a'))?.isUsed, false)
      t.equal(await clocks.noted('never'), undefined)
      await sessions.close()
    })

    t.test('the count of uids is what was set last', async t => {
      const { sessions, uids } = open(t)
      t.equal(uids.get(), undefined)
      uids.set(1)
      uids.set(2)
      t.equal(uids.get(), 2)
      await sessions.close()
    })
  })
}
