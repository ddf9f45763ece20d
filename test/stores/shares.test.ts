import type { Opener } from '#domain/access/login.ts'
import type { NewShare } from '#domain/access/share.ts'
import { contract } from '#support/stores.ts'

const now = new Date('2026-01-01T00:00:00Z')
const soon = new Date('2026-01-01T01:00:00Z')
const issuer = 'https://login.example.org'
const MANY = { most: 100 }

function share (sessionId: string, opener?: Opener, createdBy = 'anna'): NewShare {
  return { sessionId, mode: 'view', createdBy, expiresAt: soon, opener }
}

contract('openShares', 'a link is found by its token and by its id until it expires, with all that was said of it', async (t, shares) => {
  for (const opener of [undefined, { keyId: 'k' }, { issuer, subject: 'anna' }]) {
    const { share: made, token } = (await shares.create(share('a', opener), MANY, now))!
    t.strictSame(made, { id: made.id, ...share('a', opener), createdAt: now })
    t.strictSame(await shares.find(token, now), made)
    t.strictSame(await shares.get(made.id, now), made)
    t.strictSame([await shares.find(token, soon), await shares.get(made.id, soon)], [undefined, undefined])
    for (const wrong of ['', token.slice(0, -1), token.toLowerCase(), made.id]) t.equal(await shares.find(wrong, now), undefined)
  }
})

contract('openShares', 'a session has at most so many links in force, however many are asked for at once', async (t, shares) => {
  const made = (await Promise.all(Array.from({ length: 8 }, () => shares.create(share('a'), { most: 3 }, now)))).filter(Boolean)
  t.strictSame([made.length, (await shares.list('a', now)).length], [3, 3])
  t.ok(await shares.create(share('b'), { most: 3 }, now), 'another session has its own')
  const uncounted = [made[0]!.share.id]
  t.ok(await shares.create(share('a'), { most: 3, uncounted }, now), 'one that nobody vouches for does not count')
  t.equal(await shares.create(share('a'), { most: 3, uncounted }, now), undefined)
  t.ok(await shares.create({ ...share('a'), expiresAt: new Date('2027-01-01') }, { most: 1 }, soon), 'nor do those that have expired')
})

contract('openShares', 'a session\'s links are listed, oldest first, while they are in force', async (t, shares) => {
  const ids = []
  for (const ms of [1, 2, 3]) ids.push((await shares.create(share('a'), MANY, new Date(ms)))?.share.id)
  await shares.create(share('b'), MANY, now)
  t.strictSame((await shares.list('a', now)).map(({ id }) => id), ids)
  t.strictSame(await shares.list('a', soon), [])
  t.strictSame((await shares.sessionIds()).toSorted(), ['a', 'b'])
})

contract('openShares', 'a link is removed once, and only as one of its own session', async (t, shares) => {
  const { share: { id }, token } = (await shares.create(share('a'), MANY, now))!
  t.equal(await shares.remove('b', id), false)
  t.strictSame(await Promise.all([shares.remove('a', id), shares.remove('a', id), shares.find(token, now)]), [true, false, undefined])
})

contract('openShares', 'links that a user made are removed, but for those made with a key', async (t, shares) => {
  const openers: (Opener | undefined)[] = [undefined, { issuer, subject: 'anna' }, { keyId: 'k' }]
  const ids = []
  for (const opener of openers) ids.push((await shares.create(share('a', opener), MANY, now))!.share.id)
  await shares.create(share('a', undefined, 'ben'), MANY, now)
  t.strictSame((await shares.removeBy('anna')).toSorted(), ids.slice(0, 2).toSorted())
  t.strictSame((await shares.list('a', now)).map(({ createdBy, opener }) => [createdBy, opener]), [['anna', { keyId: 'k' }], ['ben', undefined]])
})

contract('openShares', 'links end with the session at the provider by whose logins they were made', async (t, shares) => {
  const openers = {
    one: { issuer, subject: 'anna', sid: '1' },
    two: { issuer, subject: 'anna', sid: '2' },
    unknown: { issuer, subject: 'anna' },
    elsewhere: { issuer: 'https://other.example.org', subject: 'anna', sid: '1' },
    key: { keyId: 'k' },
    nothing: undefined
  } satisfies Record<string, Opener | undefined>
  const leftAfter = async (ended: { subject?: string, sid?: string }) => {
    const ids = new Map<string, string>()
    for (const [name, opener] of Object.entries(openers)) ids.set((await shares.create(share('a', opener), MANY, now))!.share.id, name)
    const removed = (await shares.removeOf({ issuer, ...ended })).map(id => ids.get(id))
    const left = (await shares.list('a', now)).map(({ id }) => ids.get(id))
    t.strictSame([...removed, ...left].toSorted(), Object.keys(openers).toSorted())
    await shares.forget('a')
    return left
  }
  t.strictSame(await leftAfter({ sid: '1' }), ['two', 'unknown', 'elsewhere', 'key', 'nothing'])
  t.strictSame(await leftAfter({ subject: 'anna' }), ['elsewhere', 'key', 'nothing'])
  t.strictSame(await leftAfter({ subject: 'anna', sid: '1' }), ['two', 'elsewhere', 'key', 'nothing'])
})

contract('openShares', 'a session that has ended has no links, not even one that was made just before', async (t, shares) => {
  await shares.create(share('b'), MANY, now)
  const [made] = await Promise.all([shares.create(share('a'), MANY, now), shares.forget('a')])
  t.equal(await shares.find(made!.token, now), undefined)
  t.strictSame(await shares.sessionIds(), ['b'])
})
