import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { scopesOf } from '#domain/access/api-key.ts'
import { sqliteStores, type StoreFiles } from '#stores/sqlite/backend.ts'
import { newFiles } from '#support/stores.ts'

const anna = { user: 'anna', role: 'user' as const, scopes: scopesOf('user') }
const soon = new Date(Date.now() + 60_000)
const share = { sessionId: 'a', mode: 'view', createdBy: 'anna', expiresAt: soon, opener: { keyId: 'k' } } as const
const login = { principal: anna, keyId: 'k', createdAt: new Date(5), seenAt: new Date(5), fingerprint: 'f', address: '192.0.2.1' }

/** Opens the stores in these files, once more each time, and closes them when the test is over. */
function storesOf (t: Test, files: StoreFiles) {
  const stores = sqliteStores(files)
  const closed = <Args extends unknown[], Store extends { close (): Promise<void> }>(open: (...args: Args) => Promise<Store>) => async (...args: Args) => {
    const store = await open(...args)
    t.teardown(() => store.close())
    return store
  }
  return { openKeys: closed(stores.openKeys), openLogins: closed(stores.openLogins), openShares: closed(stores.openShares), openAuditLog: closed(stores.openAuditLog), openStatistics: closed(stores.openStatistics) }
}

t.test('what a server was killed over, the next one finds', async t => {
  const stores = storesOf(t, newFiles(t))
  const [keys, logins, shares, log, statistics] = [await stores.openKeys(), await stores.openLogins(), await stores.openShares(), await stores.openAuditLog(), await stores.openStatistics()]
  const [{ secret, key }, token, made] = [await keys.create(anna), await logins.create(login), await shares.create(share, { most: 1 })]
  await log.append({ user: 'anna', action: 'login' })
  await statistics.count('created', 'anna', 1)
  // none was closed
  t.match(await (await stores.openKeys()).find(secret), key)
  t.match(await (await stores.openLogins()).find(token), login)
  t.strictSame(await (await stores.openShares()).find(made!.token), made?.share)
  t.strictSame(await (await stores.openAuditLog()).head(), await log.head())
  t.match(await (await stores.openStatistics()).days(1), [{ created: 1 }])
})

t.test('what one process makes or revokes, another that has the keys open knows at once', async t => {
  const stores = storesOf(t, newFiles(t))
  const [server, terminal] = [await stores.openKeys(), await stores.openKeys()]
  const { key, secret } = await terminal.create(anna)
  t.match(await server.find(secret), { id: key.id, ...anna })
  await terminal.revoke(key.id)
  t.equal(await server.find(secret), undefined)
  t.equal(await server.isInForce(key.id), false)
})

t.test('two processes add to one audit log, and its entries stay linked', async t => {
  const stores = storesOf(t, newFiles(t))
  const logs = [await stores.openAuditLog(), await stores.openAuditLog()] as const
  for (let i = 0; i < 4; i++) await logs[i % 2]!.append({ user: `user${i}`, action: 'login' })
  t.strictSame((await logs[0].page({ limit: 9 })).map(({ seq, user }) => [seq, user]), [[4, 'user3'], [3, 'user2'], [2, 'user1'], [1, 'user0']])
  t.equal(await logs[1].firstBroken(AbortSignal.timeout(5000)), undefined)
})

t.test('an entry of the audit log is not changed or removed, and one that was by other means is found', async t => {
  const files = newFiles(t)
  const log = await storesOf(t, files).openAuditLog()
  for (const user of ['anna', 'ben', 'carl']) await log.append({ user, action: 'login' })
  const other = new DatabaseSync(files.auditLog)
  t.teardown(() => other.close())
  const change = "UPDATE entries SET text = replace(text, 'login', 'logout') WHERE seq = 2"
  t.throws(() => other.exec(change), /append-only/)
  t.throws(() => other.exec('DELETE FROM entries WHERE seq = 3'), /append-only/)
  t.equal(await log.firstBroken(AbortSignal.timeout(5000)), undefined)
  other.exec(`DROP TRIGGER never_changed; ${change}`)
  t.equal(await log.firstBroken(AbortSignal.timeout(5000)), 2)
})

t.test('a key is good although it cannot be noted that it was used', async t => {
  const files = newFiles(t)
  const problems: unknown[] = []
  const keys = await storesOf(t, files).openKeys(error => problems.push(error))
  const other = new DatabaseSync(files.keys)
  t.teardown(() => other.close())
  const { key, secret } = await keys.create(anna)
  other.exec('BEGIN IMMEDIATE')
  t.equal((await keys.find(secret))?.id, key.id)
  t.match(problems, [{ message: /locked/ }], 'and somebody hears why')
  other.exec('COMMIT')
  t.equal((await keys.find(secret))?.id, key.id)
  t.equal(problems.length, 1, 'the control')
})

t.test('what cannot be written is refused, and none of it has been done', async t => {
  const files = newFiles(t)
  const shares = await storesOf(t, files).openShares()
  const now = new Date()
  await shares.create({ ...share, expiresAt: now }, { most: 9 }, new Date(0))
  const other = new DatabaseSync(files.shares)
  t.teardown(() => other.close())
  other.exec("CREATE TRIGGER refuse BEFORE INSERT ON shares BEGIN SELECT raise(ABORT, 'the disk is full'); END")
  await t.rejects(shares.create(share, { most: 9 }, now), /the disk is full/)
  t.equal(other.prepare('SELECT count(*) AS links FROM shares').get()?.links, 1, 'the expired one is forgotten with the next that is made')
  other.exec('DROP TRIGGER refuse')
  t.ok(await shares.create(share, { most: 9 }, now))
  t.equal(other.prepare('SELECT count(*) AS links FROM shares').get()?.links, 1)
})

t.test('links of a version that did not know what opened them are of nobody, and days too long ago are forgotten', async t => {
  const files = newFiles(t)
  const stores = storesOf(t, files)
  const made = await (await stores.openShares()).create(share, { most: 1 })
  const old = new DatabaseSync(files.shares)
  for (const column of ['key_id', 'provider']) old.exec(`ALTER TABLE shares DROP COLUMN ${column}`)
  old.close()
  t.strictSame(await (await stores.openShares()).find(made!.token), { ...made?.share, opener: undefined })
  const statistics = await stores.openStatistics()
  for (const ago of [0, 399, 402]) await statistics.count('created', 'anna', 1, new Date(Date.now() - ago * 86_400_000))
  t.equal((await (await stores.openStatistics()).days(9)).length, 2)
})

t.test('a store that is damaged stops the start in one line, and is left as it is; only root reads it', async t => {
  for (const [opener, what] of [['openKeys', 'keys'], ['openLogins', 'logins'], ['openShares', 'shares'], ['openAuditLog', 'auditLog'], ['openStatistics', 'statistics']] as const) {
    const files = newFiles(t)
    writeFileSync(files[what], 'no database, but longer than the head of one '.repeat(10))
    await t.rejects(sqliteStores(files)[opener]().then(() => {}), { name: 'StartRefused', message: /^\/[^\n]+ cannot be used: [^\n]+; put a good copy in its place[^\n]+$/ })
    t.equal(statSync(files[what]).size, 450)
    writeFileSync(files[what], '')
    chmodSync(files[what], 0o644)
    await (await sqliteStores(files)[opener]()).close()
    t.equal(statSync(files[what]).mode & 0o777, 0o600)
  }
})
