import { newSecret, scopesOf } from '#domain/access/api-key.ts'
import { contract } from '#support/stores.ts'

const anna = { user: 'anna', role: 'user' as const, scopes: scopesOf('user') }
const later = (date: Date, ms: number) => new Date(date.getTime() + ms)

contract('openKeys', 'a key is found until its time is over, and only by all of its secret', async (t, keys) => {
  const now = new Date('2026-01-01T00:00:00Z')
  const expiresAt = later(now, 60_000)
  const { key, secret } = await keys.create({ ...anna, expiresAt }, now)
  t.strictSame(key, { id: key.id, ...anna, createdAt: now, expiresAt })
  t.strictSame(await keys.find(secret, now), key)
  t.equal(await keys.find(secret, expiresAt), undefined)
  t.strictSame([await keys.isInForce(key.id, now), await keys.isInForce(key.id, expiresAt), await keys.isInForce('none')], [true, false, false])
  for (const wrong of ['', secret.slice(0, -1), secret + 'A', secret.toLowerCase(), key.id]) t.equal(await keys.find(wrong, now), undefined)
  t.notMatch(JSON.stringify(await keys.list()), secret, 'which is not told again')
})

contract('openKeys', 'a revoked key opens nothing from the moment of the answer, for good', async (t, keys) => {
  const now = new Date()
  const [{ key, secret }, other] = [await keys.create(anna), await keys.create(anna)]
  t.strictSame(await keys.revoke(key.id, now), { ...key, revokedAt: now })
  t.strictSame([await keys.find(secret), await keys.isInForce(key.id)], [undefined, false])
  t.strictSame(await keys.revoke(key.id, later(now, 1000)), { ...key, revokedAt: now }, 'a second time changes nothing')
  t.equal((await keys.find(other.secret))?.id, other.key.id, 'the control')
  t.equal(await keys.revoke('none'), undefined)
})

contract('openKeys', 'a key may be made of a secret that exists elsewhere, once, and not again when it was revoked', async (t, keys) => {
  const secret = newSecret()
  const made = await keys.create(anna, new Date(), secret)
  t.equal(made.secret, secret)
  t.equal((await keys.find(secret))?.id, made.key.id)
  await t.rejects(keys.create(anna, new Date(), secret))
  await keys.revoke(made.key.id)
  await t.rejects(keys.create(anna, new Date(), secret))
  t.equal((await keys.list()).length, 1)
})

contract('openKeys', 'calls take effect in their order, also those that nobody waits for', async (t, keys) => {
  const { key, secret } = await keys.create(anna)
  const [before, , after, found] = await Promise.all([keys.isInForce(key.id), keys.revoke(key.id), keys.isInForce(key.id), keys.find(secret)])
  t.strictSame([before, after, found], [true, false, undefined])
})

contract('openKeys', 'all keys are listed, oldest first, revoked ones too, until they are removed', async (t, keys) => {
  const made = []
  for (const ms of [0, 1, 2]) made.push((await keys.create({ ...anna, user: `user${ms}` }, new Date(ms))).key.id)
  await keys.revoke(made[0]!)
  t.strictSame((await keys.list()).map(({ id }) => id), made)
  await keys.remove(made[1]!)
  await keys.remove('none')
  t.strictSame((await keys.list()).map(({ id }) => id), [made[0], made[2]])
})

contract('openKeys', 'when a key was used is noted, to the minute', async (t, keys) => {
  const now = new Date('2026-01-01T00:00:00Z')
  const { secret } = await keys.create(anna, now)
  const used = async () => (await keys.list())[0]?.lastUsedAt
  t.equal(await used(), undefined)
  for (const [ms, noted] of [[0, 0], [60_000, 0], [60_001, 60_001]] as const) {
    await keys.find(secret, later(now, ms))
    t.strictSame(await used(), later(now, noted))
  }
})
