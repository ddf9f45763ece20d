import { readFileSync, rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { openRecords } from '#stores/memory/records.ts'
import { alone } from '#system/instance/claims.ts'
import { rotateMasterKey } from '#system/instance/rotate-keys.ts'
import { openSealer, sealedWith } from '#system/instance/sealing.ts'

const SCOPES = ['a', 'b', 'user:anna']
const idsIn = (path: string) => [...readFileSync(path, 'utf8').matchAll(/^[0-9a-f]{16}/gm)].map(([id]) => id)

/** A store with values of three scopes, and the server that sealed them. */
async function sealed (t: Test) {
  const [path, store] = [`${t.testdir()}/master-keys`, await openRecords()]
  const running = await openSealer(path, store)
  const values = await Promise.all(SCOPES.map(scope => running.seal(scope, 'record', Buffer.from(scope))))
  const openAll = async (sealer = running) => await Promise.all(SCOPES.map(async (scope, n) => String(await sealer.open(scope, 'record', values[n]!))))
  return { path, store, running, openAll }
}

t.test('a rotation makes a new master key, wraps all data keys with it, and removes the old one, while a server runs', async t => {
  const { path, store, running, openAll } = await sealed(t)
  const [old] = idsIn(path)
  t.match(await rotateMasterKey(path, store), { wrapped: 3, broken: [], isCompleted: false })
  t.equal(idsIn(path).length, 1)
  t.not(idsIn(path)[0], old)
  t.equal(await sealedWith(store), idsIn(path)[0])
  t.strictSame(await openAll(), SCOPES, 'the running server opens all')
  t.equal(running.masterKey(), idsIn(path)[0], 'and has taken up the new key')
  t.strictSame(await openAll(await openSealer(path, store)), SCOPES, 'and so does the next one')
})

/** The store as a process uses it that is killed at its call number `last`. */
function killedAt (store: RecordStore, last: number): RecordStore {
  let calls = 0
  return new Proxy(store, {
    get (target, name: keyof RecordStore) {
      return (...words: never[]) => {
        if (++calls > last) throw new Error('killed')
        return (target[name] as (...words: never[]) => unknown)(...words)
      }
    }
  })
}

t.test('a rotation that was cut off at any point has lost nothing, and the next call completes it', async t => {
  let isWhole = false
  for (let last = 0; !isWhole; last++) {
    const { path, store, openAll } = await sealed(t)
    const before = idsIn(path)
    isWhole = await rotateMasterKey(path, killedAt(store, last)).then(() => true, () => false)
    t.strictSame(await openAll(), SCOPES, `the running server opens all, ${last} calls later`)
    t.strictSame(await openAll(await openSealer(path, store)), SCOPES, 'and so does the next one')
    const { broken } = await rotateMasterKey(path, store)
    t.strictSame([broken, idsIn(path).length, idsIn(path).includes(before[0]!)], [[], 1, false])
    t.strictSame(await openAll(await openSealer(path, store)), SCOPES)
  }
})

t.test('data keys that a server makes while the keys are rotated are wrapped with the new one', async t => {
  const { path, store, running, openAll } = await sealed(t)
  const [rotation, ...made] = await Promise.all([rotateMasterKey(path, store), ...Array.from({ length: 50 }, async (_, n) => {
    await new Promise(resolve => { setTimeout(resolve, n % 5) })
    return running.seal(`new-${n}`, 'record', Buffer.from('x'))
  })])
  t.equal(rotation.broken.length, 0)
  const next = await openSealer(path, store)
  for (const [n, value] of made.entries()) t.equal(String(await next.open(`new-${n}`, 'record', value)), 'x')
  t.strictSame(await openAll(next), SCOPES)
})

t.test('a data key that cannot be opened is named and left, and the others are rotated', async t => {
  const { path, store, running } = await sealed(t)
  const { value } = (await store.get('data-keys/b', 'key'))!
  value[60]! ^= 1
  await store.write('data-keys/b', [{ key: 'key', value }])
  t.match(await rotateMasterKey(path, store), { wrapped: 2, broken: ['b'] })
  t.strictSame((await store.get('data-keys/b', 'key'))?.value, value)
  t.ok(await running.seal('a', 'record', Buffer.from('x')))
})

t.test('a rotation is refused while another one is under way, and while the key of the store is not there', async t => {
  await alone('rotation-test', async () => {
    await t.rejects(alone('rotation-test', async () => {}), { message: 'another rotation-test is under way on this machine: wait for its end' })
  })
  await alone('rotation-test', async () => {})
  rmSync('/run/ex10/rotation-test.db')
  const { path, store } = await sealed(t)
  await t.rejects(rotateMasterKey(`${path}.other`, store), { name: 'StartRefused', message: /is missing/ })
})
