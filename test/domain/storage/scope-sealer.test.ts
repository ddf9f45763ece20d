import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { rewrap, scopesWithKeys } from '#domain/storage/data-keys.ts'
import { newKey, type Key } from '#domain/storage/envelope.ts'
import type { MasterKeys } from '#domain/storage/master-keys.ts'
import { Records } from '#domain/storage/records.ts'
import { scopeSealer } from '#domain/storage/scope-sealer.ts'
import { openRecords } from '#stores/memory/records.ts'

const BROKEN = { code: 'EX10_SEAL_BROKEN' }
const text = Buffer.from('marker')

/** Master keys, the newest first, which the test may change. */
function masterKeys (...keys: Key[]): MasterKeys & { keys: Key[] } {
  return { keys, newest () { return this.keys[0]! }, find (id) { return this.keys.find(key => key.id === id) } }
}

t.test('calls and servers that begin a session\'s data key at once end with one', async t => {
  const store = await openRecords()
  const masters = masterKeys(newKey())
  const [one, other] = [scopeSealer(store, masters), scopeSealer(store, masters)]
  const sealed = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? one : other).seal('session', `record ${n}`, text)))
  const next = scopeSealer(store, masters)
  for (const [n, value] of sealed.entries()) t.equal(String(await next.open('session', `record ${n}`, value)), 'marker')
  t.strictSame(await next.scopes(), ['session'])
})

t.test('each session has a data key of its own, and what one sealed is refused in another', async t => {
  const store = await openRecords()
  const sealer = scopeSealer(store, masterKeys(newKey()))
  const [a, b] = [await sealer.seal('a', 'record', text), await sealer.seal('b', 'record', text)]
  await t.rejects(sealer.open('b', 'record', a), BROKEN)
  await t.rejects(sealer.open('a', 'record', b), BROKEN)
  await store.write('data-keys/b', [{ key: 'key', value: (await store.get('data-keys/a', 'key'))!.value }])
  await t.rejects(scopeSealer(store, masterKeys(newKey())).open('b', 'record', b), BROKEN, 'a data key in the place of another')
})

t.test('a forgotten data key takes along all that it sealed, on every server, and the session can begin anew', async t => {
  const store = await openRecords()
  const masters = masterKeys(newKey())
  const sealer = scopeSealer(store, masters)
  const [value, content] = [await sealer.seal('session', 'record', text), await buffer(sealer.sealStream('session', 'blob', [text] as never))]
  await sealer.forget('session')
  for (const server of [sealer, scopeSealer(store, masters)]) {
    await t.rejects(server.open('session', 'record', value), BROKEN)
    await t.rejects(buffer(server.openStream('session', 'blob', [content] as never)), BROKEN)
  }
  t.strictSame(await sealer.scopes(), [])
  const again = await sealer.seal('session', 'record', text)
  t.equal(String(await scopeSealer(store, masters).open('session', 'record', again)), 'marker')
})

t.test('a data key that cannot be unwrapped breaks its session alone, and is not replaced', async t => {
  const store = await openRecords()
  const masters = masterKeys(newKey())
  const whole = await scopeSealer(store, masters).seal('whole', 'record', text)
  await scopeSealer(store, masterKeys(newKey())).seal('strange', 'record', text)
  const kept = await store.get('data-keys/strange', 'key')
  const sealer = scopeSealer(store, masters)
  await t.rejects(sealer.seal('strange', 'record', text), BROKEN)
  t.strictSame(await store.get('data-keys/strange', 'key'), kept, 'nothing is overwritten')
  t.equal(String(await sealer.open('whole', 'record', whole)), 'marker')
})

t.test('after a rotation all opens with the new master key alone, on a server that ran meanwhile, too', async t => {
  const store = await openRecords()
  const [old, fresh] = [newKey(), newKey()]
  const masters = masterKeys(old)
  const running = scopeSealer(store, masters)
  const values = await Promise.all(['a', 'b'].map(scope => running.seal(scope, 'record', text)))
  masters.keys = [fresh, old]
  for (const scope of await scopesWithKeys(store)) t.ok(await rewrap(store, masters, scope))
  for (const scope of await scopesWithKeys(store)) t.notOk(await rewrap(store, masters, scope), 'a second time there is nothing to do')
  masters.keys = [fresh]
  for (const sealer of [running, scopeSealer(store, masters)]) {
    t.equal(String(await sealer.open('a', 'record', values[0]!)), 'marker')
    t.equal(String(await sealer.open('b', 'record', values[1]!)), 'marker')
    t.equal(sealer.masterKey(), fresh.id)
  }
})

t.test('a data key that is made while the master key changes is wrapped with the new one', async t => {
  const store = await openRecords()
  const [old, fresh] = [newKey(), newKey()]
  const masters = masterKeys(old)
  const write = store.write
  const sealer = scopeSealer({ ...store, async write (...change) { masters.keys = [fresh, old]; return write(...change) } }, masters)
  const value = await sealer.seal('session', 'record', text)
  t.equal(String(await scopeSealer(store, masterKeys(fresh)).open('session', 'record', value)), 'marker')
})

t.test('records are kept sealed, and an older value that is put back in the place of a newer one is refused', async t => {
  const store = await openRecords()
  const records = new Records(store, scopeSealer(store, masterKeys(newKey())))
  t.ok(await records.write('state/session', [{ key: 'notes', value: { text: 'marker' }, ifRevision: 0 }]))
  const older = (await store.get('state/session', 'notes'))!
  t.notOk(older.value.includes('marker'))
  t.ok(await records.write('state/session', [{ key: 'notes', value: { text: 'newer' }, ifRevision: 1 }]))
  t.strictSame((await records.get('state/session', 'notes'))?.value, { text: 'newer' })
  await store.write('state/session', [{ key: 'notes', value: older.value }])
  await t.rejects(records.get('state/session', 'notes'), BROKEN)
  await t.rejects(records.list('state/session'), BROKEN)
})

t.test('a server that sealed with a data key learns within ten seconds that another one has forgotten it', async t => {
  const store = await openRecords()
  const masters = masterKeys(newKey())
  let now = 0
  const [one, other] = [scopeSealer(store, masters, () => now), scopeSealer(store, masters)]
  await one.seal('user:anna', 'record', text)
  await other.forget('user:anna')
  now = 10_000
  const value = await one.seal('user:anna', 'record', text)
  t.equal(String(await other.open('user:anna', 'record', value)), 'marker')
})

t.test('a store that does not answer does not keep the server from sealing with the keys that it knows', async t => {
  const store = await openRecords()
  let isAway = false
  let now = 0
  const sealer = scopeSealer({ ...store, async get (...asked) { if (isAway) throw new Error('away'); return store.get(...asked) } }, masterKeys(newKey()), () => now)
  await sealer.seal('session', 'record', text)
  isAway = true
  now = 60_000
  const value = await sealer.seal('session', 'record', text)
  t.equal(String(await sealer.open('session', 'record', value)), 'marker')
  await t.rejects(sealer.seal('other', 'record', text), { message: 'away' })
})
