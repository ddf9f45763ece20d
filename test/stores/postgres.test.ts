import t, { type Test } from 'tap'
import { storesOf } from '#stores/index.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { newSchema, PASSWORD, query, startPostgres } from '#support/storage/postgres.ts'
import type { StoreServer } from '#support/storage/program.ts'

let server: StoreServer
t.before(async () => { server = await startPostgres(t) })

/** Opens the records at this address, until the test ends. */
async function open (t: Test, store: string, password?: string) {
  const records = await (await storesOf({ store, password }, dataFolderAt('/nowhere'))).openRecords()
  t.teardown(() => records.close())
  return records
}

t.test('servers that start at once on an empty database make its tables once', async t => {
  const url = await newSchema(server.url)
  const stores = await Promise.all(Array.from({ length: 6 }, () => open(t, url)))
  await stores[0]!.write('state/one', [{ key: 'a', value: Buffer.from('1') }])
  for (const records of stores) t.equal((await records.get('state/one', 'a'))?.value.toString(), '1')
})

t.test('a database that a newer version has changed, or of another encoding, is refused and left as it is', async t => {
  const url = await newSchema(server.url)
  await (await open(t, url)).write('state/one', [{ key: 'a', value: Buffer.from('1') }])
  const search = new URL(url).searchParams.get('options')!.split('=')[1]!
  await query(url, `INSERT INTO ${search}.ex10_migrations VALUES ('2099-01-better', '2099-01-01T00:00:00.000Z')`)
  await t.rejects(open(t, url), { name: 'StartRefused', message: /^EX10_STORE=postgres:\/\/127\.0\.0\.1:\d+\/postgres cannot be used: a newer version of Ex10 has changed the database \(2099-01-better\): start that version$/ })
  t.strictSame(await query(url, 'SELECT key, revision FROM records'), [{ key: 'a', revision: 1 }])
  await query(server.url, 'CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0')
  await t.rejects(open(t, server.url.replace(/postgres$/, 'latin')), { message: /the database has the encoding LATIN1: create it with ENCODING 'UTF8'$/ })
})

t.test('the password may come beside the address; a wrong one is in no message', async t => {
  const bare = server.url.replace(/:[^:@]*@/, '@')
  await t.resolves(open(t, bare, PASSWORD))
  await t.rejects(open(t, bare, `${PASSWORD}x`), { message: /password authentication failed for user "ex10"$/ })
})

t.test('twenty servers that change one record at once lose no change', async t => {
  const url = await newSchema(server.url)
  const stores = await Promise.all(Array.from({ length: 4 }, () => open(t, url)))
  const add = async (records: typeof stores[number]) => {
    for (;;) {
      const found = await records.get('count/one', 'now')
      if (await records.write('count/one', [{ key: 'now', value: Buffer.from(String(Number(found?.value ?? 0) + 1)), ifRevision: found?.revision ?? 0 }])) return
    }
  }
  await Promise.all(Array.from({ length: 5 }, () => stores.map(add)).flat())
  t.equal((await stores[0]!.get('count/one', 'now'))?.value.toString(), '20')
})

t.test('an error of one call is no loss of the connection, and later calls get their own answers', async t => {
  const url = await newSchema(server.url)
  const records = await open(t, url)
  await records.write('state/one', [{ key: 'a', value: Buffer.from('1') }])
  await t.rejects(records.write('state/one', [{ key: 'a', value: Buffer.from('2'), ifRevision: 2_147_483_648 }]), /out of range/)
  t.equal((await records.get('state/one', 'a'))?.value.toString(), '1')
})
