import { edited } from '#domain/memory/edit.ts'
import { KeptState } from '#domain/memory/kept-state.ts'
import type { Json } from '#domain/memory/merge-patch.ts'
import { KEPT_LIMITS, meets, type StateConditions } from '#domain/memory/state.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { contract } from '#support/stores.ts'

const PARTITION = 'preferences/user:anna'
const author = { user: 'anna' }

/** The user's preferences, as one of several servers changes them. */
function oneServer (store: RecordStore) {
  const kept = new KeptState(new Records(store, UNSEALED), KEPT_LIMITS)
  return {
    kept,
    put: (key: string, value: Json, conditions: StateConditions = {}) => kept.change(PARTITION, {
      path: { category: 'preferences', key },
      author,
      next: now => edited({ category: 'preferences', key }, { put: value }, now),
      check (standing) { if (!meets(standing, conditions)) throw new Error('another one was faster') }
    }),
    patch: (patch: Json) => kept.change(PARTITION, { path: { category: 'preferences' }, author, next: now => edited({ category: 'preferences' }, { patch }, now), check () {} })
  }
}

contract('openRecords', 'two servers change the same state: no write is lost, and each has a version of its own', async (t, store) => {
  const servers = [oneServer(store), oneServer(store)]
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, writer) => writer % 3 ? servers[writer % 2]!.put(`k${writer}`, writer) : servers[writer % 2]!.patch({ [`k${writer}`]: writer })))
  t.strictSame(outcomes.map(({ version }) => version).sort((a, b) => a - b), Array.from({ length: 20 }, (_, index) => index + 1))
  const { texts, tag } = await servers[0]!.kept.read(PARTITION)
  t.strictSame(Object.fromEntries(texts), Object.fromEntries(Array.from({ length: 20 }, (_, writer) => [`preferences/k${writer}`, String(writer)])))
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, writer) => servers[writer % 2]!.put('k0', `by ${writer}`, { ifMatch: [outcomes[0]!.tag!] })))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1, 'with a condition, one wins')
  t.not((await servers[1]!.kept.read(PARTITION)).tag, tag)
})

contract('openRecords', 'a state is as it was at each kept version, and nothing of it is left when it is forgotten', async (t, store) => {
  const { kept, put } = oneServer(store)
  const large = (round: number) => String(round).padEnd(20_000)
  for (let round = 1; round <= 105; round++) await put(round % 2 ? 'small' : 'large', round % 2 ? round : large(round))
  for (const [version, small, big] of [[104, 103, 104], [51, 51, 50], [104, 103, 104]] as const) {
    await kept.rewind(PARTITION, version, { path: { category: 'preferences' }, author, check () {} })
    const { texts } = await kept.read(PARTITION)
    t.strictSame(Object.fromEntries(texts), { 'preferences/small': String(small), 'preferences/large': JSON.stringify(large(big)) }, `version ${version}`)
  }
  await t.rejects(kept.rewind(PARTITION, 7, { path: {}, author, check () {} }), { code: 'EX10_STATE_VERSION_NOT_FOUND' })
  await t.rejects(kept.rewind(PARTITION, 1000, { path: {}, author, check () {} }), { code: 'EX10_STATE_VERSION_NOT_FOUND' })
  t.equal((await kept.versions(PARTITION, { limit: 1000 })).length, 100)
  const records = await store.list(PARTITION)
  t.equal(records.filter(({ key }) => key.startsWith('version/')).length, 100)
  t.ok(records.filter(({ key }) => key.startsWith('old/')).every(({ key }) => Number(key.split('/')[1]) > 7), 'what old versions replaced has gone with them')
  await kept.forget(PARTITION)
  t.strictSame(await store.list(PARTITION), [])
})

contract('openRecords', 'a state of the greatest size is replaced and deleted in one step, and comes back', async (t, store) => {
  const { kept } = oneServer(store)
  const all = (text: string) => Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${'k'.repeat(100)}${index}`, text.repeat(4000)]))
  const change = (put: Json) => kept.change(PARTITION, { path: {}, author, next: now => edited({}, { put }, now), check () {} })
  for (const text of ['a', 'b']) t.equal((await change({ full: all(text) })).changes.length, 1000)
  await t.rejects(change({ full: all('c'), one: { more: 1 } }), { code: 'EX10_STATE_TOO_LARGE' })
  t.equal((await change({})).changes.length, 1000)
  await kept.rewind(PARTITION, 1, { path: {}, author, check () {} })
  t.strictSame([...new Set((await kept.read(PARTITION)).texts.values())], [JSON.stringify('a'.repeat(4000))])
})
