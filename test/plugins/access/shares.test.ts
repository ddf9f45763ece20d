import t, { type Test } from 'tap'
import type { Config } from '#config.ts'
import { MAX_SHARES, type NewShare } from '#domain/access/share.ts'
import { scopesOf } from '#domain/access/api-key.ts'
import keys from '#plugins/access/keys.ts'
import logins from '#plugins/access/logins.ts'
import secrets from '#plugins/access/secrets.ts'
import shares from '#plugins/access/shares.ts'
import { memoryStores } from '#stores/memory/backend.ts'
import type { Backend } from '#stores/backend.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { bareApp } from '#support/bare-app.ts'

const anna = { user: 'anna', role: 'user' as const, scopes: scopesOf('user') }
const LIVE = 'a'.repeat(32)

function shareOf (sessionId: string, keyId?: string): NewShare {
  return { sessionId, mode: 'view', createdBy: 'anna', expiresAt: new Date(Date.now() + 60_000), ...(keyId !== undefined && { opener: { keyId } }) }
}

/** Functions stand in for `instance`, for `registry`, which has one session, and for `audit`. */
async function withShares (t: Test, settings: Partial<Config> = {}, stores: Backend = memoryStores()) {
  return await bareApp(t, [keys, secrets, logins, shares], {
    settings: { auth: 'keys', ...settings },
    standIns: { instance: { folder: dataFolderAt(t.testdir()), stores }, registry: { live: () => [{ id: LIVE, createdAt: new Date() }] as never }, audit: { own () {} } }
  })
}

t.test('a link is good as long as the key that made it; then it does not count among its session\'s links either', async t => {
  const app = await withShares(t)
  const [{ key: first }, { key: second }] = [await app.keys.create(anna), await app.keys.create(anna)]
  const { share, token } = await app.shares.create(shareOf(LIVE, first.id))
  for (let made = 1; made < MAX_SHARES; made++) await app.shares.create(shareOf(LIVE, second.id))
  await t.rejects(app.shares.create(shareOf(LIVE, second.id)), { code: 'EX10_TOO_MANY_SHARES' })
  t.strictSame([(await app.shares.find(token))?.id, await app.shares.isInForce(share.id), (await app.shares.list(LIVE)).length], [share.id, true, MAX_SHARES])
  await app.keys.revoke(first.id)
  t.strictSame([await app.shares.find(token), await app.shares.isInForce(share.id), (await app.shares.list(LIVE)).length], [undefined, false, MAX_SHARES - 1])
  await app.shares.create(shareOf(LIVE, second.id))
  await t.rejects(app.shares.create(shareOf(LIVE, second.id)), { code: 'EX10_TOO_MANY_SHARES' })
})

t.test('a link that nobody vouches for is good only where nobody logs in', async t => {
  for (const [auth, isGood] of [['none', true], ['keys', false]] as const) {
    await t.test(auth, async t => {
      const app = await withShares(t, { auth })
      const { share } = await app.shares.create(shareOf(LIVE))
      t.equal(await app.shares.isInForce(share.id), isGood)
    })
  }
})

t.test('whoever looks by a link hears at once that it is revoked', async t => {
  const app = await withShares(t, { auth: 'none' })
  const revoked: string[] = []
  app.shares.onRevoked(id => revoked.push(id))
  const ids = []
  for (let i = 0; i < 3; i++) ids.push((await app.shares.create(shareOf(LIVE))).share.id)
  await app.shares.revoke(LIVE, ids[0]!)
  t.strictSame(revoked, [ids[0]])
  await t.rejects(app.shares.revoke(LIVE, ids[0]!), { code: 'EX10_SHARE_NOT_FOUND' })
  await t.rejects(app.shares.revoke('b'.repeat(32), ids[1]!), { code: 'EX10_SHARE_NOT_FOUND' })
  t.equal(await app.shares.revokeBy('anna'), 2)
  t.strictSame(revoked, ids)
})

t.test('a session that ends leaves no link, not even one that is being made', async t => {
  const app = await withShares(t, { auth: 'none' })
  const making = app.shares.create(shareOf(LIVE))
  await app.shares.forget(LIVE)
  t.equal(await app.shares.find((await making).token), undefined)
})

t.test('links of sessions that ended while no server ran are forgotten at the start', async t => {
  const stores = memoryStores()
  const store = await stores.openShares()
  const [dead, live] = [await store.create(shareOf('b'.repeat(32)), { most: 1 }), await store.create(shareOf(LIVE), { most: 1 })]
  const app = await withShares(t, { auth: 'none' }, { ...stores, openShares: async () => store })
  t.strictSame([await app.shares.find(dead!.token), (await app.shares.find(live!.token))?.id], [undefined, live?.share.id])
})
