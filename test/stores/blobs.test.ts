import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { BlobStore } from '#domain/storage/blob-store.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'
import { bucketAt, bucketBlobs } from '#stores/s3/blobs.ts'
import { startBucketServer } from '#support/servers/bucket.ts'

const server = await startBucketServer()
t.teardown(() => server.stop())
await server.make('ex10')

/** The stores of blobs. A new one is an entry here. */
const STORES: Record<string, (t: Test) => Promise<BlobStore>> = {
  folder: t => folderBlobs(`${t.testdir()}/blobs`),
  bucket: () => bucketBlobs(bucketAt(`s3://ex10/of/${randomBytes(6).toString('hex')}`, server.endpoint, ''))
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

t.test('bucket: a content of any length is kept in one piece, and one that fails or is aborted leaves no part', async t => {
  await server.make('parts')
  const store = await bucketBlobs(bucketAt('s3://parts', server.endpoint, ''))
  t.teardown(() => store.close())
  const piece = randomBytes(1024 * 1024)
  const pieces = async function * (count: number) { for (let index = 0; index < count; index++) yield piece }
  t.equal(await store.put('session', 'long', pieces(20)), 20 * piece.length)
  t.ok((await buffer((await store.get('session', 'long'))!)).equals(Buffer.concat(Array.from({ length: 20 }, () => piece))))

  const failing = (async function * () { yield * pieces(20); throw new Error('the client is gone') })()
  await t.rejects(store.put('session', 'a', failing), { message: 'the client is gone' })
  const abort = new AbortController()
  const endless = (async function * () { yield * pieces(20); abort.abort(); for (;;) { await turn(); yield piece } })()
  await t.rejects(store.put('session', 'b', endless, abort.signal), { name: 'AbortError' })
  const stuck = new AbortController()
  const silent = (async function * () { yield * pieces(20); stuck.abort(); await new Promise(() => {}) })()
  await t.rejects(store.put('session', 'c', silent, stuck.signal), { name: 'AbortError' })
  await t.rejects(store.put('session', 'd', pieces(1), AbortSignal.abort()), { name: 'AbortError' })
  t.strictSame(await store.list('session'), [{ id: 'long', bytes: 20 * piece.length }])
  await store.drop('session')
  await t.resolves(server.remove('parts'), 'nothing is left: no object, no part')
})

t.test('bucket: scopes and lists of more than a thousand are whole, and dropped as a whole', async t => {
  const store = await bucketBlobs(bucketAt('s3://ex10/many', server.endpoint, ''))
  t.teardown(() => store.close())
  const ids = Array.from({ length: 1005 }, (_, index) => String(index).padStart(4, '0'))
  for (const path of ids.flatMap(id => [`one/${id}`, `${id}/a`])) await fetch(`${server.endpoint}/ex10/many/${path}`, { method: 'PUT', body: 'a' }) // faster than the SDK
  t.strictSame((await store.list('one')).map(({ id }) => id).sort(), ids)
  t.strictSame((await store.scopes()).sort(), [...ids, 'one'])
  await store.drop('one')
  t.strictSame(await store.list('one'), [])
})

t.test('bucket: a start is refused in one line that says what to do', async t => {
  const message = async (address: string, endpoint: string) => await bucketBlobs(bucketAt(address, endpoint, '')).then(() => 'started', error => `${error.name}: ${error.message}`)
  const closed = await startBucketServer()
  await closed.stop()
  const [missing, unreachable] = await Promise.all([message('s3://none/ex10', server.endpoint), message('s3://ex10/ex10', closed.endpoint)])
  t.equal(missing, 'StartRefused: EX10_BLOBS=s3://none/ex10/ cannot be used: there is no bucket none; make it, or correct the name')
  t.equal(unreachable, `StartRefused: EX10_BLOBS=s3://ex10/ex10/ cannot be used: ${closed.endpoint} does not answer (ECONNREFUSED); check EX10_BLOBS_ENDPOINT and the network`)
  const refusing = createServer((request, reply) => reply.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>')).listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  t.teardown(() => refusing.close())
  t.match(await message('s3://ex10', `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`), /^StartRefused: .* the credentials may not write and delete there \(AccessDenied\)/)
})

t.test('bucket: while it does not answer, each call ends with EX10_STORE_UNAVAILABLE, and later calls succeed', async t => {
  const first = await startBucketServer()
  await first.make('ex10')
  const store = await bucketBlobs(bucketAt('s3://ex10', first.endpoint, ''))
  t.teardown(() => store.close())
  await first.stop()
  const calls = [store.put('one', 'a', Buffer.from('a')), store.get('one', 'a'), store.list('one'), store.delete('one', 'a'), store.drop('one'), store.scopes()]
  for (const { status, ...rest } of await Promise.allSettled(calls)) t.match([status, rest], ['rejected', { reason: { code: 'EX10_STORE_UNAVAILABLE', statusCode: 503 } }])
  const again = await startBucketServer(Number(new URL(first.endpoint).port))
  t.teardown(() => again.stop())
  await again.make('ex10')
  t.equal(await store.put('one', 'a', Buffer.from('a')), 1)
})

t.test('a server that was killed in the middle of a write leaves a half, which the next one removes', async t => {
  const folder = t.testdir({ one: { '.new-1234': 'half', a: 'whole' } })
  const store = await folderBlobs(folder)
  t.strictSame([await store.list('one'), readdirSync(`${folder}/one`)], [[{ id: 'a', bytes: 5 }], ['a']])
})
