import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { CHUNK_BYTES, newKey, openChunks, openValue, sealChunks, sealValue, type Key, type Label } from '#domain/storage/envelope.ts'

const BROKEN = { code: 'EX10_SEAL_BROKEN', statusCode: 500 }
const key = newKey()
const label: Label = { scope: 'session', id: 'state/session notes', version: 7 }
const finding = (...keys: Key[]) => async (id: string) => keys.find(key => key.id === id)
const open = (sealed: Buffer, as: Label = label) => openValue(finding(key), as, sealed)

const pieces = async function * (content: Buffer, size = content.length) { for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size) }
const sealAll = (content: Buffer, size?: number, as = label) => buffer(sealChunks(key, as, pieces(content, size)))
const openAll = (sealed: Buffer, size?: number, as = label) => buffer(openChunks(finding(key), as, pieces(sealed, size)))

t.test('a sealed value opens as it was, shows nothing of itself, and is another one each time', async t => {
  for (const text of ['', '{"notes":"marker"}', 'x'.repeat(300_000)]) {
    const sealed = sealValue(key, label, Buffer.from(text))
    t.equal((await open(sealed)).toString(), text)
    t.notOk(text && sealed.includes(text), 'nothing is readable')
    t.notOk(sealValue(key, label, Buffer.from(text)).equals(sealed))
  }
})

t.test('a value with any byte changed, cut off at any length, or with a byte more is refused', async t => {
  const sealed = sealValue(key, label, Buffer.from('{"notes":"marker"}'))
  for (let at = 0; at < sealed.length; at++) {
    for (const bit of [1, 128]) {
      const changed = Buffer.from(sealed)
      changed[at]! ^= bit
      await t.rejects(open(changed), BROKEN, `byte ${at}`)
    }
    await t.rejects(open(sealed.subarray(0, at)), BROKEN, `${at} bytes`)
  }
  await t.rejects(open(Buffer.concat([sealed, Buffer.alloc(1)])), BROKEN)
})

t.test('a value is refused in the place of another, as another version, and without its key', async t => {
  const sealed = sealValue(key, label, Buffer.from('1'))
  await t.rejects(open(sealed, { ...label, id: 'state/session other' }), BROKEN, 'another record')
  await t.rejects(open(sealed, { ...label, scope: 'other' }), BROKEN, 'another session')
  await t.rejects(open(sealed, { scope: 'sessionstate/', id: 'session notes', version: 7 }), BROKEN, 'scope and id are two texts')
  await t.rejects(open(sealed, { ...label, version: 8 }), BROKEN, 'an older version, put back')
  await t.rejects(openValue(finding(newKey()), label, sealed), BROKEN, 'another key')
  await t.rejects(open(Buffer.from('{"notes":"put there in the clear"}'.padEnd(200))), BROKEN, 'a value that nobody sealed')
  t.equal((await open(sealValue(key, { ...label, version: undefined }, Buffer.from('2')))).toString(), '2', 'a write that expected no revision is not bound to one')
})

t.test('a content of any length opens as it was, in pieces of any size', async t => {
  for (const length of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000]) {
    const content = Buffer.alloc(length, 'marker')
    for (const size of [7919, CHUNK_BYTES, 1_000_000]) {
      const sealed = await sealAll(content, size)
      t.ok(content.equals(await openAll(sealed, size === 7919 ? 1_000_000 : 7919)), `${length} bytes in pieces of ${size}`)
      t.notOk(sealed.includes('marker'))
    }
  }
})

t.test('a small content with any byte changed, or cut off at any length, is refused', async t => {
  const sealed = await sealAll(Buffer.from('content of a small blob'))
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    await t.rejects(openAll(changed), BROKEN, `byte ${at}`)
    await t.rejects(openAll(sealed.subarray(0, at)), BROKEN, `${at} bytes`)
  }
  await t.rejects(openAll(Buffer.concat([sealed, Buffer.alloc(1)])), BROKEN)
})

t.test('chunks are refused that were cut off, added, exchanged, repeated, or taken from another content', async t => {
  const [header, sealedChunk] = [49, CHUNK_BYTES + 16]
  const content = Buffer.concat([1, 2, 3].map(byte => Buffer.alloc(CHUNK_BYTES, byte)))
  const chunksOf = (sealed: Buffer) => [sealed.subarray(0, header), ...[0, 1, 2].map(n => sealed.subarray(header + n * sealedChunk, header + (n + 1) * sealedChunk))]
  const [head, one, two, three] = chunksOf(await sealAll(content)) as [Buffer, Buffer, Buffer, Buffer]
  const [otherHead, otherOne] = chunksOf(await sealAll(content)) as [Buffer, Buffer]
  t.ok(content.equals(await openAll(Buffer.concat([head, one, two, three]))))
  for (const [what, parts] of Object.entries({
    'cut off at a border': [head, one, two],
    'cut off at the first border': [head, one],
    'no chunk': [head],
    'without the first': [head, two, three],
    exchanged: [head, two, one, three],
    repeated: [head, one, one, two, three],
    'the last one in the middle': [head, one, three, two],
    'one more': [head, one, two, three, three],
    'a chunk of another sealing': [head, otherOne, two, three],
    'another header': [otherHead, one, two, three]
  })) await t.rejects(openAll(Buffer.concat(parts)), BROKEN, what)
  await t.rejects(openAll(Buffer.concat([head, one, two, three]), undefined, { ...label, id: 'another blob' }), BROKEN, 'another blob')
})

t.test('what is read of a damaged content before the damage is what was written', async t => {
  const content = Buffer.alloc(3 * CHUNK_BYTES, 'good')
  const sealed = await sealAll(content)
  sealed[sealed.length - 1]! ^= 1
  const read: Buffer[] = []
  await t.rejects((async () => { for await (const piece of openChunks(finding(key), label, pieces(sealed))) read.push(piece) })(), BROKEN)
  t.ok(Buffer.concat(read).equals(content.subarray(0, 2 * CHUNK_BYTES)))
})

t.test('a sealed value and a sealed content do not pass for each other', async t => {
  const sealed = await sealAll(Buffer.from('1'))
  await t.rejects(open(sealed), BROKEN)
  const passed = Buffer.from(sealed)
  passed[0] = 1
  await t.rejects(open(passed), BROKEN)
})

t.test('a content whose reader goes away closes its source', async t => {
  let isClosed = false
  const source = async function * () { try { for (;;) yield Buffer.alloc(CHUNK_BYTES) } finally { isClosed = true } }
  for await (const piece of sealChunks(key, label, source())) if (piece.length > 49) break
  t.ok(isClosed)
})
