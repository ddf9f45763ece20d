import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { storesOf } from '#stores/index.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import type { StoreServer } from '#support/storage/program.ts'
import { newPrefix, startRedis } from '#support/storage/redis.ts'

let server: StoreServer
let redis: Redis
t.before(async () => {
  server = await startRedis(t)
  redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())
})

const storesAt = (url: string) => storesOf({ store: url }, dataFolderAt('/nowhere'))

async function open (t: Test, url: string) {
  const records = await (await storesAt(url)).openRecords()
  t.teardown(() => records.close())
  return records
}

const value = Buffer.from('1')

t.test('nothing is left in Redis of what has ended, though nobody asks for it', async t => {
  const records = await open(t, newPrefix(server.url))
  await redis.flushall()
  const end = new Date(Date.now() + 200)
  await records.write('recovery/one', [{ key: 'a', value, expiresAt: end }, { key: 'b', value, expiresAt: end }])
  await records.write('recovery/two', [{ key: 'a', value }])
  await records.write('recovery/two', [{ key: 'a', value, expiresAt: end }])
  t.ok(await redis.dbsize() > 0)
  while (Date.now() <= end.getTime()) await delay(20)
  t.strictSame((await Promise.all((await redis.keys('*')).map(key => redis.exists(key)))).filter(Boolean), [])
})

t.test('records that end leave the index when others are written or read, and the rest has no end', async t => {
  const url = newPrefix(server.url)
  const records = await open(t, url)
  const [, prefix] = url.split('prefix=')
  const end = new Date(Date.now() + 200)
  await records.write('state/one', [{ key: 'a', value, expiresAt: end }, { key: 'b', value }])
  while (Date.now() <= end.getTime()) await delay(20)
  await records.list('state/one')
  t.strictSame(await redis.zrange(`${prefix}:{state/one}:i`, '0', '-1'), ['b'])
  t.strictSame(await Promise.all(['i', 'r:b'].map(key => redis.pttl(`${prefix}:{state/one}:${key}`))), [-1, -1])
})

t.test('all keys of a partition are of one hash slot, whatever its name is', async t => {
  const records = await open(t, newPrefix(server.url))
  await redis.flushall()
  for (const name of ['preferences/user:a}{b', 'preferences/{}', 'preferences/%7B*?[x]', 'preferences/}']) {
    await records.write(name, [{ key: '{a}', value }, { key: 'b}', value, expiresAt: new Date(Date.now() + 60_000) }])
    const keys = await redis.keys('*')
    t.equal(keys.length, 4)
    t.equal(new Set(keys.map(slotOf)).size, 1, name)
    t.strictSame(await records.partitions('preferences/'), [name])
    t.strictSame(await records.partitions(name), [name], 'a name is no pattern')
    await records.drop(name)
    t.equal(await redis.dbsize(), 0)
  }
})

/** The part of a key that Redis Cluster hashes: between the first opening brace and the next closing one, or all of it. */
function slotOf (key: string): string {
  return /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key
}

t.test('reading and writing never looks through all keys', async t => {
  const url = newPrefix(server.url)
  const stores = await storesAt(url)
  await redis.config('RESETSTAT')
  const [keys, logins, auditLog, records] = await Promise.all([stores.openKeys(), stores.openLogins(), stores.openAuditLog(), stores.openRecords()])
  const { key, secret } = await keys.create({ user: 'anna', role: 'user', scopes: ['create'] })
  await keys.find(secret)
  await keys.isInForce(key.id)
  const token = await logins.create({ principal: key, keyId: key.id, createdAt: new Date(), seenAt: new Date(), fingerprint: 'f', address: '192.0.2.1' })
  await logins.find(token)
  await logins.list('anna')
  await auditLog.append({ user: 'anna', action: 'login' })
  await auditLog.page({ limit: 10, user: 'anna' })
  await records.write('state/one', [{ key: 'a', value }])
  await records.list('state/one')
  await records.prune()
  for (const store of [keys, logins, auditLog, records]) await store.close()
  t.notMatch(await redis.info('commandstats'), /cmdstat_(keys|scan)\b/)
})

t.test('a list of more records and bytes than one answer may have is whole, from either end', async t => {
  const records = await open(t, newPrefix(server.url))
  const keys = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'))
  await records.write('state/many', keys.map(key => ({ key, value })))
  t.strictSame((await records.list('state/many')).map(({ key }) => key), keys)
  t.strictSame((await records.list('state/many', { newestFirst: true, limit: 2001 })).map(({ key }) => key), keys.toReversed().slice(0, 2001))
  const large = Buffer.alloc(1024 * 1024, 7)
  for (let i = 0; i < 9; i++) await records.write('state/large', [{ key: String(i), value: large }])
  t.ok((await records.list('state/large')).every(({ value }) => value.equals(large)))
  t.equal((await records.list('state/large')).length, 9)
})

t.test('a Redis that would throw records away is refused', async t => {
  const { url } = await startRedis(t, { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' })
  await t.rejects(open(t, url), { name: 'StartRefused', message: /^EX10_STORE=redis:\/\/127\.0\.0\.1:\d+ cannot be used: with maxmemory-policy allkeys-lru, this Redis deletes records .*; give it maxmemory-policy noeviction$/ })
})
