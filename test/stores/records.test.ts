import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { contract } from '#support/stores.ts'

const text = (value: string) => Buffer.from(value)
const PARTITION = 'state/one'

async function keysOf (store: RecordStore, range?: Parameters<RecordStore['list']>[1]) {
  return (await store.list(PARTITION, range)).map(({ key }) => key)
}

contract('openRecords', 'a record is read as it was written, byte for byte, until it is deleted', async (t, store) => {
  const bytes = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256))
  t.equal(await store.get(PARTITION, 'a'), undefined)
  t.equal(await store.write(PARTITION, [{ key: 'a', value: bytes }, { key: 'empty', value: text('') }]), true)
  t.strictSame(await store.get(PARTITION, 'a'), { key: 'a', value: bytes, revision: 1 })
  t.strictSame(await store.get(PARTITION, 'empty'), { key: 'empty', value: text(''), revision: 1 })
  await store.write(PARTITION, [{ key: 'a', value: text('new') }])
  t.strictSame(await store.get(PARTITION, 'a'), { key: 'a', value: text('new'), revision: 2 })
  t.equal(await store.get('state/other', 'a'), undefined, 'another partition has none of it')
  await store.write(PARTITION, [{ key: 'a' }, { key: 'not-there' }])
  t.strictSame(await keysOf(store), ['empty'])
  const large = Buffer.alloc(1024 * 1024, 7)
  await store.write(PARTITION, [{ key: 'large', value: large }])
  t.ok((await store.get(PARTITION, 'large'))?.value.equals(large), 'also a value of 1 MiB')
})

contract('openRecords', 'changes of a partition are made all or none, and only on the revisions that they expect', async (t, store) => {
  t.equal(await store.write(PARTITION, [{ key: 'a', value: text('1'), ifRevision: 0 }]), true)
  t.equal(await store.write(PARTITION, [{ key: 'a', value: text('2'), ifRevision: 0 }]), false, 'it exists')
  t.equal(await store.write(PARTITION, [{ key: 'b', value: text('2') }, { key: 'a', value: text('2'), ifRevision: 7 }]), false)
  t.strictSame(await store.list(PARTITION), [{ key: 'a', value: text('1'), revision: 1 }], 'nothing was changed')
  t.equal(await store.write(PARTITION, [{ key: 'b', value: text('2') }, { key: 'a', value: text('2'), ifRevision: 1 }]), true)
  t.equal(await store.write(PARTITION, [{ key: 'a', ifRevision: 1 }]), false, 'a deletion expects one, too')
  t.equal(await store.write(PARTITION, [{ key: 'a', ifRevision: 2 }]), true)
  t.strictSame(await keysOf(store), ['b'])
})

contract('openRecords', 'of twenty writers that expect the same revision, one succeeds', async (t, store) => {
  for (let revision = 0; revision < 5; revision++) {
    const results = await Promise.all(Array.from({ length: 20 }, (_, writer) => store.write(PARTITION, [{ key: 'a', value: text(`${writer}`), ifRevision: revision }])))
    t.equal(results.filter(Boolean).length, 1)
  }
  t.equal((await store.get(PARTITION, 'a'))?.revision, 5)
})

contract('openRecords', 'records are listed in the order of their keys\' bytes, in pages, from either end', async (t, store) => {
  const keys = ['Z', 'a', 'a/1', 'a/10', 'a/2', 'b', 'é', '語', '\u{1F600}']
  await store.write(PARTITION, keys.toReversed().map(key => ({ key, value: text(key) })))
  t.strictSame(await keysOf(store), keys)
  t.strictSame(await keysOf(store, { prefix: 'a/' }), ['a/1', 'a/10', 'a/2'])
  t.strictSame(await keysOf(store, { prefix: 'a/', newestFirst: true, limit: 2 }), ['a/2', 'a/10'])
  t.strictSame(await keysOf(store, { prefix: 'a/', newestFirst: true, after: 'a/10' }), ['a/1'])
  t.strictSame(await keysOf(store, { after: 'b', limit: 2 }), ['é', '語'])
  t.strictSame(await keysOf(store, { prefix: '%' }), [], 'no pattern')
  t.strictSame(await store.list('state/none'), [])
})

contract('openRecords', 'a record ends at its time, and its key is free again', async (t, store) => {
  const soon = new Date(Date.now() + 300)
  await store.write(PARTITION, [{ key: 'soon', value: text('1'), expiresAt: soon }, { key: 'later', value: text('1'), expiresAt: new Date(Date.now() + 60_000) }, { key: 'kept', value: text('1'), expiresAt: soon }])
  await store.write(PARTITION, [{ key: 'kept', value: text('2') }])
  await store.write('state/two', [{ key: 'soon', value: text('1'), expiresAt: soon }])
  t.equal((await store.get(PARTITION, 'soon'))?.revision, 1)
  while (Date.now() <= soon.getTime()) await delay(20)
  t.equal(await store.get(PARTITION, 'soon'), undefined)
  t.strictSame(await keysOf(store), ['kept', 'later'], 'a write without an end gives the record no end')
  t.strictSame(await store.partitions('state/'), [PARTITION])
  t.equal(await store.write(PARTITION, [{ key: 'soon', value: text('2'), ifRevision: 0 }]), true)
  await store.prune()
  t.strictSame(await keysOf(store), ['kept', 'later', 'soon'])
})

contract('openRecords', 'changes in many partitions are made at once, and partitions are listed and dropped', async (t, store) => {
  const ids = Array.from({ length: 300 }, (_, index) => `count/${String(index).padStart(3, '0')}`)
  for (const round of ['1', '2']) await store.writeEach(ids.map(id => [id, [{ key: 'now', value: text(round) }, { key: 'other', value: text(id) }]] as const))
  t.strictSame(await store.partitions('count/'), ids)
  t.strictSame(await store.get('count/123', 'now'), { key: 'now', value: text('2'), revision: 2 })
  await store.drop('count/123')
  t.strictSame(await store.list('count/123'), [])
  t.equal((await store.partitions('count/')).length, 299)
  t.strictSame(await store.partitions('other/'), [])
  await store.writeEach([])
})

contract('openRecords', 'calls for one partition take effect in their order, also those that nobody waits for', async (t: Test, store) => {
  const [, before, , after] = await Promise.all([
    store.write(PARTITION, [{ key: 'a', value: text('1') }]),
    store.get(PARTITION, 'a'),
    store.write(PARTITION, [{ key: 'a' }]),
    store.get(PARTITION, 'a')
  ])
  t.strictSame([before?.value, after], [text('1'), undefined])
})
