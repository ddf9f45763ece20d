import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Login } from '#domain/access/login.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { failure } from '#errors.ts'
import { linkedStores } from '#stores/linked/backend.ts'
import { openRecords } from '#stores/memory/records.ts'

const UNAVAILABLE = { code: 'EX10_STORE_UNAVAILABLE', statusCode: 503 }
const IN_AN_HOUR = new Date(Date.now() + 3_600_000)
const USER = { user: 'anna', role: 'user', scopes: ['view'] } as const

/** Stores whose records are away when they are told to be; `losesAnswers`: they make a write, and then go away. */
async function linked (t: Test) {
  const records = await openRecords()
  const store = { isAway: false, losesAnswers: false }
  const answer = async <Answer> (method: () => Promise<Answer>): Promise<Answer> => {
    if (store.isAway) throw failure('STORE_UNAVAILABLE')
    const answer = await method()
    if (!store.losesAnswers) return answer
    Object.assign(store, { isAway: true, losesAnswers: false })
    throw failure('STORE_UNAVAILABLE')
  }
  const remote: RecordStore = {
    get: (...its) => answer(() => records.get(...its)),
    list: (...its) => answer(() => records.list(...its)),
    write: (...its) => answer(() => records.write(...its)),
    writeEach: (...its) => answer(() => records.writeEach(...its)),
    drop: (...its) => answer(() => records.drop(...its)),
    partitions: (...its) => answer(() => records.partitions(...its)),
    prune: (...its) => answer(() => records.prune(...its)),
    async close () {}
  }
  const stores = linkedStores(async () => remote, { ms: { watch: 10, retry: 5, longestRetry: 10, probe: 100 } })
  const closing = new AbortController()
  t.teardown(() => closing.abort())
  const opened = { keys: await stores.openKeys(), logins: await stores.openLogins(), shares: await stores.openShares(), auditLog: await stores.openAuditLog(), statistics: await stores.openStatistics(), records: await stores.openRecords() }
  t.teardown(() => Promise.all(Object.values(opened).map(store => store.close())))
  stores.link.watch(closing.signal)
  const until = async (isAway: boolean) => {
    while ((stores.link.state.awaySince !== undefined) !== isAway) await delay(2)
  }
  return {
    ...opened,
    store,
    link: stores.link,
    async goAway () {
      store.isAway = true
      await until(true)
    },
    async comeBack () {
      store.isAway = false
      await until(false)
    }
  }
}

t.test('a key that was in force when the store went away is in force; others, and new ones, are refused', async t => {
  const { keys, goAway, comeBack } = await linked(t)
  const soon = new Date(Date.now() + 300)
  const [used, unused, ending, revoked] = await Promise.all([undefined, undefined, soon, undefined].map(expiresAt => keys.create({ ...USER, ...expiresAt && { expiresAt } })))
  for (const one of [used, ending, revoked]) t.ok(await keys.find(one!.secret))
  await keys.revoke(revoked!.key.id)
  await goAway()
  t.equal((await keys.find(used!.secret))?.user, 'anna')
  t.equal(await keys.isInForce(used!.key.id), true)
  for (const call of [keys.find(unused!.secret), keys.isInForce(unused!.key.id), keys.find(revoked!.secret), keys.isInForce(revoked!.key.id), keys.create(USER), keys.revoke(used!.key.id), keys.list()]) await t.rejects(call as Promise<unknown>, UNAVAILABLE)
  while (Date.now() <= soon.getTime()) await delay(20)
  t.strictSame([await keys.find(ending!.secret), await keys.isInForce(ending!.key.id)], [undefined, false], 'no key is in force beyond its end')
  await comeBack()
  t.ok(await keys.find(unused!.secret))
})

t.test('logins and links that held when the store went away hold, and those that were ended do not', async t => {
  const { logins, shares, goAway } = await linked(t)
  const login: Login = { principal: USER, keyId: '1', createdAt: new Date(), seenAt: new Date(), fingerprint: 'f', address: '::1' }
  const [kept, ended] = [await logins.create(login), await logins.create(login)]
  const id = (await logins.find(kept))!.id
  for (const store of [await logins.find(ended), await logins.get(id)]) t.ok(store)
  await logins.remove(ended)
  const links = await Promise.all(['s1', 's1', 's2'].map(sessionId => shares.create({ sessionId, mode: 'view', createdBy: 'anna', expiresAt: IN_AN_HOUR }, { most: 5 })))
  const [share, gone, other] = links.map(link => link!)
  for (const { token, share: { id } } of [share!, gone!, other!]) t.ok(await shares.find(token) && await shares.get(id))
  await shares.remove('s1', gone!.share.id)
  await goAway()
  t.equal((await logins.find(kept))?.id, id)
  t.equal((await logins.get(id))?.id, id)
  await logins.seen(id, new Date())
  t.equal((await shares.find(share!.token))?.id, share!.share.id)
  t.equal((await shares.get(share!.share.id))?.id, share!.share.id)
  await shares.forget('s2')
  for (const call of [logins.find(ended), logins.create(login), logins.remove(kept), logins.list('anna'), shares.find(gone!.token), shares.get(gone!.share.id), shares.find(other!.token), shares.list('s1')]) await t.rejects(call as Promise<unknown>, UNAVAILABLE)
})

t.test('entries of the audit log, counts and what a session leaves wait for the store', async t => {
  const { auditLog, statistics, shares, records, store, link, goAway, comeBack } = await linked(t)
  await shares.create({ sessionId: 's1', mode: 'view', createdBy: 'anna', expiresAt: IN_AN_HOUR }, { most: 5 })
  await records.write('state/s1', [{ key: 'a', value: Buffer.from('1') }])
  await auditLog.append({ user: 'anna', action: 'session.created', target: '0' })
  await goAway()
  for (let index = 1; index <= 20; index++) await auditLog.append({ user: 'anna', action: 'session.created', target: String(index) })
  await statistics.count('created', 'anna', 3)
  await Promise.all([shares.forget('s1'), records.drop('state/s1'), records.write('versions/anna', [{ key: 's1', value: Buffer.from('{}') }]), records.writeEach([['versions/otto', [{ key: 's2', value: Buffer.from('{}') }]]])])
  for (const call of [auditLog.page({ limit: 1 }), statistics.days(1), records.get('state/s1', 'a'), records.write('state/s2', [{ key: 'a', value: Buffer.from('1') }]), records.write('versions/anna', [{ key: 'a', value: Buffer.from('1'), ifRevision: 0 }])]) await t.rejects(call as Promise<unknown>, UNAVAILABLE)
  t.match(link.state, { waiting: 25, dropped: 0 })
  await comeBack()
  t.strictSame((await auditLog.page({ limit: 100 })).map(({ seq, target }) => [seq, target]), Array.from({ length: 21 }, (_, index) => [21 - index, String(20 - index)]))
  t.equal(await auditLog.firstBroken(AbortSignal.timeout(5000)), undefined)
  t.match(await statistics.days(1), [{ created: 1, users: 1, peak: 3 }])
  t.strictSame([await shares.sessionIds(), await records.partitions('state/'), await records.partitions('versions/')], [[], [], ['versions/anna', 'versions/otto']])

  store.losesAnswers = true
  await auditLog.append({ user: 'anna', action: 'session.ended', target: 'once' })
  await comeBack()
  const last = await auditLog.page({ limit: 2 })
  t.strictSame(last.map(({ seq, target }) => [seq, target]), [[22, 'once'], [21, '20']], 'an entry that was added before the connection broke is not added again')
  t.equal(await auditLog.firstBroken(AbortSignal.timeout(5000)), undefined)
})
