import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Blobs } from '#domain/storage/blobs.ts'
import { newKey } from '#domain/storage/envelope.ts'
import { scopeSealer } from '#domain/storage/scope-sealer.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'
import { openRecords } from '#stores/memory/records.ts'

const BROKEN = { code: 'EX10_SEAL_BROKEN' }
const CONTENT = 'marker, the content of a small file'

/** Sealed blobs in a folder, with one in it. */
async function sealedBlobs (t: Test) {
  const folder = t.testdir()
  const key = newKey()
  const sealer = scopeSealer(await openRecords(), { newest: () => key, find: () => key })
  const blobs = new Blobs(await folderBlobs(folder), sealer)
  await blobs.put('session', 'one', Buffer.from(CONTENT))
  return { blobs, pathOf: (scope: string, id: string) => `${folder}/${scope}/${id}`, read: async (scope = 'session', id = 'one') => text((await blobs.get(scope, id))!) }
}

t.test('a blob is a file that shows nothing of its content, and is read as it was put', async t => {
  const { pathOf, read } = await sealedBlobs(t)
  t.notOk(readFileSync(pathOf('session', 'one')).includes('marker'))
  t.equal(await read(), CONTENT)
})

t.test('a blob whose file has any byte changed, or was cut off at any length, is refused', async t => {
  const { pathOf, read } = await sealedBlobs(t)
  const path = pathOf('session', 'one')
  const whole = readFileSync(path)
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1
    writeFileSync(path, changed)
    await t.rejects(read(), BROKEN, `byte ${at}`)
    writeFileSync(path, whole.subarray(0, at))
    await t.rejects(read(), BROKEN, `${at} bytes`)
  }
  writeFileSync(path, whole)
  t.equal(await read(), CONTENT, 'control')
})

t.test('blobs that were swapped, moved to another session, or put back in the place of a later one are refused', async t => {
  const { blobs, pathOf, read } = await sealedBlobs(t)
  for (const [scope, id] of [['session', 'two'], ['other', 'one'], ['session', 'profile-2']] as const) {
    await blobs.put(scope, id, Buffer.from('another'))
    const whole = readFileSync(pathOf(scope, id))
    copyFileSync(pathOf('session', 'one'), pathOf(scope, id))
    await t.rejects(read(scope, id), BROKEN, `${scope} ${id}`)
    writeFileSync(pathOf(scope, id), whole)
    t.equal(await read(scope, id), 'another', 'control')
  }
})

t.test('a content that ends in an error, or whose writer goes away, leaves no blob', async t => {
  const { blobs, pathOf } = await sealedBlobs(t)
  const broken = async function * () { yield Buffer.from('x'); throw new Error('broken off') }
  await t.rejects(blobs.put('session', 'broken', broken()), { message: 'broken off' })
  t.strictSame(readdirSync(pathOf('session', '')), ['one'])
})
