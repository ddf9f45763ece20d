import { readdirSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { BlobStore } from '#domain/storage/blob-store.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'

/** The stores of blobs. A new one is an entry here. */
const STORES: Record<string, (t: Test) => Promise<BlobStore>> = {
  folder: t => folderBlobs(`${t.testdir()}/blobs`)
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: a blob is kept once, whole, and read as it was given`, async t => {
    const store = await open(t)
    t.teardown(() => store.close())
    const content = Buffer.alloc(3_000_000, 'ex10')
    t.equal(await store.put('session', 'a1', content), content.length)
    t.equal(await store.put('session', 'a1', Buffer.from('other')), content.length, 'a blob is never changed')
    t.equal(await store.put('session', 'pieces', (async function * () { yield content.subarray(0, 10); yield content.subarray(10) })()), content.length)
    await store.put('session', 'empty', Buffer.alloc(0))
    for (const id of ['a1', 'pieces']) t.ok((await buffer((await store.get('session', id))!)).equals(content), id)
    t.equal((await buffer((await store.get('session', 'empty'))!)).length, 0)
    t.equal(await store.get('session', 'none'), undefined)
    t.equal(await store.get('other', 'a1'), undefined)
    t.strictSame((await store.list('session')).sort((a, b) => a.id < b.id ? -1 : 1), [{ id: 'a1', bytes: content.length }, { id: 'empty', bytes: 0 }, { id: 'pieces', bytes: content.length }])
  })

  t.test(`${name}: a write that fails or is aborted leaves nothing`, async t => {
    const store = await open(t)
    t.teardown(() => store.close())
    const failing = (async function * () { yield Buffer.from('half'); throw new Error('the client is gone') })()
    await t.rejects(store.put('session', 'a', failing), { message: 'the client is gone' })
    const abort = new AbortController()
    const endless = (async function * () { for (;;) { yield Buffer.alloc(65536); abort.abort(new Error('enough')) } })()
    await t.rejects(store.put('session', 'b', endless, abort.signal))
    t.strictSame([await store.list('session'), await store.get('session', 'a'), await store.get('session', 'b')], [[], undefined, undefined])
    t.equal(await store.put('session', 'a', Buffer.from('whole')), 5, 'its name is free')
  })

  t.test(`${name}: blobs are deleted one by one, or with their scope`, async t => {
    const store = await open(t)
    t.teardown(() => store.close())
    for (const [scope, id] of [['one', 'a'], ['one', 'b'], ['two', 'a']] as const) await store.put(scope, id, Buffer.from(id))
    await store.delete('one', 'a')
    await store.delete('one', 'a')
    t.strictSame(await store.list('one'), [{ id: 'b', bytes: 1 }])
    await store.drop('two')
    await store.drop('two')
    t.strictSame(await store.scopes(), ['one'])
    await store.delete('one', 'b')
    t.strictSame(await store.scopes(), [])
    for (const bad of ['..', '.', '', 'a/b', '.new-1', 'A', 'x'.repeat(129)]) await t.rejects(store.put('one', bad, Buffer.alloc(0)), { message: /is no name/ }, bad)
  })
}

t.test('a server that was killed in the middle of a write leaves a half, which the next one removes', async t => {
  const folder = t.testdir({ one: { '.new-1234': 'half', a: 'whole' } })
  const store = await folderBlobs(folder)
  t.strictSame([await store.list('one'), readdirSync(`${folder}/one`)], [[{ id: 'a', bytes: 5 }], ['a']])
})
