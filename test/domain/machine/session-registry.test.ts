import t from 'tap'
import type { RegistryStore } from '#domain/machine/registry-store.ts'
import { SessionRegistry } from '#domain/machine/session-registry.ts'
import { openRegistry } from '#stores/memory/registry.ts'
import { factsOf } from '#support/facts.ts'

const NEVER = new AbortController().signal

/** A journal whose writes of one kind are held until they are let go, or fail then. */
function heldJournal (method: 'record' | 'ready' | 'stopping' | 'ended' | 'addVersion') {
  const store = openRegistry().sessions
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const write = store[method] as (...args: unknown[]) => Promise<unknown>
  const held = async (...args: unknown[]) => {
    begun.resolve()
    await gate.promise
    return await write(...args)
  }
  return { store: { ...store, [method]: held } as RegistryStore, under: store, begun: begun.promise, letGo: gate.resolve, fail: () => gate.reject(new Error('the journal cannot be written')) }
}

/** A registry in which the session `a` is being made. */
async function creating (store: RegistryStore): Promise<SessionRegistry> {
  const registry = await SessionRegistry.open(store)
  await registry.record(factsOf('a'))
  return registry
}

t.test('a session is known when its intent is written, and not before; when that fails, it never is', async t => {
  for (const fails of [false, true]) {
    const { store, begun, letGo, fail } = heldJournal('record')
    const registry = await SessionRegistry.open(store)
    const recording = registry.record(factsOf('a'))
    await begun
    t.strictSame(registry.live(), [])
    if (fails) {
      fail()
      await t.rejects(recording, /cannot be written/)
      t.equal(registry.get('a'), undefined)
    } else {
      letGo()
      await recording
      t.strictSame(registry.live(), [{ ...factsOf('a'), state: 'creating', version: 0 }])
    }
  }
})

t.test('a session is ready when that is written, and not before; it becomes so in one step with what is done then', async t => {
  const { store, begun, letGo } = heldJournal('ready')
  const registry = await creating(store)
  let seen: string | undefined
  const committing = registry.ready('a', NEVER, () => { seen = registry.get('a')?.state })
  await begun
  t.equal(registry.get('a')?.state, 'creating')
  letGo()
  await committing
  t.equal(seen, 'ready')
})

t.test('a session that is ended while its ready is written does not become ready, and its journal ends with the end', async t => {
  const { store, under, begun, letGo } = heldJournal('ready')
  const registry = await creating(store)
  const ended = new AbortController()
  let isCommitted = false
  const committing = registry.ready('a', ended.signal, () => { isCommitted = true })
  await begun
  ended.abort(new Error('deleted'))
  letGo() // a journal keeps the order of the calls
  const stopping = registry.stopping('a', 'deleted')
  t.match(registry.get('a'), { state: 'stopping', reason: 'deleted' }, 'at once')
  await t.rejects(committing, /^deleted$|deleted/)
  await stopping
  t.notOk(isCommitted)
  t.equal(registry.get('a')?.state, 'stopping')
  await registry.ended('a', 'failed')
  t.equal(registry.get('a'), undefined)
  t.match(await under.find('a'), { state: 'failed', reason: 'deleted' })
})

t.test('a session that is being ended does not become ready, whoever says so', async t => {
  const registry = await creating(openRegistry().sessions)
  await registry.stopping('a', 'deleted')
  await t.rejects(registry.ready('a', NEVER, () => t.fail('it is committed')), { code: 'EX10_SESSION_NOT_FOUND' })
  t.equal(registry.get('a')?.state, 'stopping')
})

t.test('a session whose ready cannot be written is not ready', async t => {
  const { store, fail } = heldJournal('ready')
  const registry = await creating(store)
  fail()
  await t.rejects(registry.ready('a', NEVER, () => t.fail('it is committed')), /cannot be written/)
  t.equal(registry.get('a')?.state, 'creating')
})

t.test('a creation that was given up before its ready is written writes none', async t => {
  const store = openRegistry().sessions
  const registry = await creating(store)
  await t.rejects(registry.ready('a', AbortSignal.abort(new Error('gone')), () => t.fail('it is committed')), /gone/)
  t.match(await store.find('a'), { state: 'creating' })
})

t.test('a session is stopping at once, also when that cannot be written', async t => {
  const { store, fail } = heldJournal('stopping')
  const registry = await creating(store)
  fail()
  const stopping = registry.stopping('a', 'idle')
  t.match(registry.get('a'), { state: 'stopping', reason: 'idle' })
  await t.rejects(stopping, /cannot be written/)
  t.equal(registry.live().length, 1)
})

t.test('a session stays known until its end is written; then only its record is found', async t => {
  for (const fails of [false, true]) {
    const { store, begun, letGo, fail } = heldJournal('ended')
    const registry = await creating(store)
    await registry.stopping('a', 'idle')
    const ending = registry.ended('a', 'failed')
    await begun
    t.equal(registry.get('a')?.state, 'stopping')
    if (fails) {
      fail()
      await t.rejects(ending, /cannot be written/)
      t.equal(registry.get('a')?.state, 'stopping', 'another try may follow')
    } else {
      letGo()
      await ending
      t.strictSame(registry.live(), [])
      t.match(await registry.find('a'), { state: 'failed', reason: 'idle', endedAt: Date })
    }
  }
})

t.test('a push counts when it is written', async t => {
  const { store, begun, letGo } = heldJournal('addVersion')
  const registry = await creating(store)
  const pushing = registry.addVersion('a')
  await begun
  t.equal(registry.get('a')?.version, 0)
  letGo()
  t.equal(await pushing, 1)
  t.equal(registry.get('a')?.version, 1)
})

t.test('the next server begins with the sessions that were left, in the states in which they were', async t => {
  const store = openRegistry().sessions
  const first = await SessionRegistry.open(store)
  for (const id of ['made', 'ready', 'ending', 'over']) await first.record(factsOf(id))
  for (const id of ['ready', 'ending', 'over']) await first.ready(id, NEVER, () => {})
  for (const id of ['ending', 'over']) await first.stopping(id, 'evicted')
  await first.ended('over', 'ended')
  await first.addVersion('ready')
  const next = await SessionRegistry.open(store)
  t.strictSame(next.live(), first.live(), 'memory and journal tell the same')
  t.strictSame(next.live().map(({ id, state, version, reason }) => [id, state, version, reason]), [['made', 'creating', 0, undefined], ['ready', 'ready', 1, undefined], ['ending', 'stopping', 0, 'evicted']])
})

t.test('what is told of a session is a copy', async t => {
  const registry = await creating(openRegistry().sessions)
  registry.get('a')!.state = 'ready'
  registry.live()[0]!.state = 'ready'
  t.equal(registry.get('a')?.state, 'creating')
})
