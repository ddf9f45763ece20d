import { existsSync, renameSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Records } from '#domain/storage/records.ts'
import { folderBlobs } from '#stores/folder/blobs.ts'
import { openRecords } from '#stores/memory/records.ts'
import { abandon, lostScopes } from '#system/instance/abandon-sealed.ts'
import { makeKeyFile } from '#system/instance/key-file.ts'
import { openSealer } from '#system/instance/sealing.ts'

/** A store with the records and blobs of two scopes. */
async function sealed (t: Test) {
  const folder = t.testdir()
  const [path, store, blobs] = [`${folder}/master-keys`, await openRecords(), await folderBlobs(`${folder}/blobs`)]
  const records = new Records(store, await openSealer(path, store))
  for (const scope of ['one', 'two']) {
    await records.write(`state/${scope}`, [{ key: 'notes', value: scope }])
    await blobs.put(scope, 'blob', Buffer.from('x'))
  }
  return { path, store, blobs, records }
}

t.test('when the key is lost, the server starts again after what it sealed was deleted, and not before', async t => {
  const { path, store, blobs } = await sealed(t)
  renameSync(path, `${path}.lost`)
  await t.rejects(openSealer(path, store), { name: 'StartRefused' })
  const scopes = await lostScopes(path, store)
  t.strictSame(scopes, ['one', 'two'])
  t.notOk(existsSync(path), 'the question changes nothing')
  await abandon(scopes, path, store, blobs)
  t.strictSame([await store.partitions(''), await blobs.scopes()], [[], []])
  const records = new Records(store, await openSealer(path, store))
  await records.write('state/one', [{ key: 'notes', value: 'new' }])
  t.equal((await records.get('state/one', 'notes'))?.value, 'new')
})

t.test('what the file does open stays', async t => {
  const { path, store, blobs, records } = await sealed(t)
  t.strictSame(await lostScopes(path, store), [])
  await abandon([], path, store, blobs)
  t.equal((await records.get('state/one', 'notes'))?.value, 'one')
  const { value } = (await store.get('data-keys/two', 'key'))!
  value[60]! ^= 1
  await store.write('data-keys/two', [{ key: 'key', value }])
  t.strictSame(await lostScopes(path, store), ['two'])
  await abandon(['two'], path, store, blobs)
  const next = new Records(store, await openSealer(path, store))
  t.strictSame([(await next.get('state/one', 'notes'))?.value, await next.get('state/two', 'notes'), await blobs.scopes()], ['one', undefined, ['one']])
})

t.test('with a new key file in place, the store is good for that key afterwards', async t => {
  const { path, store, blobs } = await sealed(t)
  renameSync(path, `${path}.lost`)
  const { id } = makeKeyFile(path).newest()
  await abandon(await lostScopes(path, store), path, store, blobs)
  t.equal((await openSealer(path, store)).masterKey(), id)
})
