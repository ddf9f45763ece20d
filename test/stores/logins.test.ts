import { scopesOf } from '#domain/access/api-key.ts'
import type { Login, Opener } from '#domain/access/login.ts'
import { MOST_LOGINS } from '#domain/access/login-store.ts'
import { contract } from '#support/stores.ts'

const principal = { user: 'anna', role: 'user', scopes: scopesOf('user') } as const
const issuer = 'https://login.example.org'

function login (ms: number, user = 'anna', opener: Opener = { keyId: 'k' }): Login {
  return { principal: { ...principal, user }, ...opener, createdAt: new Date(ms), seenAt: new Date(ms), fingerprint: 'f', address: '192.0.2.1' }
}

contract('openLogins', 'a login is found by its token and by its id, with all that was said of it, until it is removed', async (t, logins) => {
  const token = await logins.create(login(5))
  const found = await logins.find(token)
  t.strictSame(found, { id: found?.id, ...login(5) })
  t.strictSame(await logins.get(found!.id), found)
  for (const wrong of ['', token.slice(0, -1), token.toLowerCase(), found!.id]) t.equal(await logins.find(wrong), undefined)
  for (const wrong of ['', found!.id.slice(0, -1), '0'.repeat(16), token]) t.equal(await logins.get(wrong), undefined)
  const removed = await Promise.all([logins.remove(token), logins.remove(token)])
  t.strictSame(removed, [found, undefined], 'one caller gets it')
  t.strictSame([await logins.find(token), await logins.get(found!.id)], [undefined, undefined])
})

contract('openLogins', 'a user has at most so many logins: one more ends the one that was used least recently, however many begin at once', async (t, logins) => {
  const tokens = []
  for (let i = 0; i < MOST_LOGINS; i++) tokens.push(await logins.create(login(i)))
  const ben = await logins.create(login(0, 'ben'))
  await logins.seen((await logins.find(tokens[0]!))!.id, new Date(1000))
  const one = await logins.create(login(500))
  t.ok(await logins.find(tokens[0]!), 'it was used since')
  t.equal(await logins.find(tokens[1]!), undefined)
  const more = await Promise.all(Array.from({ length: MOST_LOGINS - 1 }, () => logins.create(login(400))))
  t.equal((await logins.list('anna')).length, MOST_LOGINS)
  t.ok(await logins.find(more.at(-1)!), 'the new one stays, even if its clock was behind')
  t.strictSame((await logins.list('anna')).slice(0, 2).map(({ id }) => id), [(await logins.find(tokens[0]!))?.id, (await logins.find(one))?.id], 'the most recently used first')
  t.ok(await logins.find(ben), 'another user\'s are not counted')
})

contract('openLogins', 'when it was used last never moves back, and one that has ended is not brought back by a use', async (t, logins) => {
  const token = await logins.create(login(1000))
  const { id } = (await logins.find(token))!
  const seenAt = async () => (await logins.find(token))?.seenAt.getTime()
  await Promise.all([logins.seen(id, new Date(3000)), logins.seen(id, new Date(2000))])
  t.equal(await seenAt(), 3000)
  await Promise.all([logins.remove(token), logins.seen(id, new Date(4000))])
  t.strictSame([await seenAt(), await logins.get(id), await logins.list('anna')], [undefined, undefined, []])
})

contract('openLogins', 'a user ends one of their own logins, or all but one; nobody else\'s', async (t, logins) => {
  const tokens = [await logins.create(login(1)), await logins.create(login(2)), await logins.create(login(3))]
  const ben = await logins.create(login(4, 'ben'))
  const idOf = async (token: string) => (await logins.find(token))?.id ?? ''
  const id = await idOf(tokens[0]!)
  t.equal(await logins.removeById('anna', await idOf(ben)), false)
  t.strictSame(await Promise.all([logins.removeById('anna', id), logins.removeById('anna', id)]), [true, false])
  t.strictSame(await Promise.all(['', id.slice(0, 8)].map(wrong => logins.removeById('anna', wrong))), [false, false])
  t.equal(await logins.removeAll('anna', tokens[1]), 1)
  t.strictSame((await logins.list('anna')).map(({ id }) => id), [await idOf(tokens[1]!)])
  t.equal(await logins.removeAll('anna'), 1)
  t.ok(await logins.find(ben))
})

contract('openLogins', 'what is too old or was not used for too long is forgotten', async (t, logins) => {
  const tokens = [await logins.create(login(1)), await logins.create(login(5)), await logins.create(login(9))]
  await logins.seen((await logins.find(tokens[1]!))!.id, new Date(20))
  await logins.prune(new Date(2), new Date(10))
  t.strictSame((await Promise.all(tokens.map(token => logins.find(token)))).map(Boolean), [false, true, false])
})

contract('openLogins', 'when a session ends at the provider, its logins end; when all of a person\'s do, all of theirs; nobody else\'s', async (t, logins) => {
  const openers = {
    one: { issuer, subject: 'anna', sid: '1' },
    two: { issuer, subject: 'anna', sid: '2' },
    unknown: { issuer, subject: 'anna' },
    ben: { issuer, subject: 'ben', sid: '3' },
    benUnknown: { issuer, subject: 'ben' },
    elsewhere: { issuer: 'https://other.example.org', subject: 'anna', sid: '1' },
    key: { keyId: 'k' }
  } satisfies Record<string, Opener>
  /** The logins that are left of all, after the end of this. */
  const leftAfter = async (ended: { subject?: string, sid?: string }) => {
    const tokens = new Map<string, string>()
    for (const [name, opener] of Object.entries(openers)) tokens.set(name, await logins.create(login(0, 'anna', opener)))
    const users = await logins.removeOf({ issuer, ...ended })
    const left = []
    for (const [name, token] of tokens) if (await logins.remove(token)) left.push(name)
    t.strictSame(users, Array(tokens.size - left.length).fill('anna'), 'whose they were, as many times as it says')
    return left
  }
  t.strictSame(await leftAfter({ sid: '1' }), ['two', 'unknown', 'ben', 'benUnknown', 'elsewhere', 'key'])
  t.strictSame(await leftAfter({ subject: 'anna' }), ['ben', 'benUnknown', 'elsewhere', 'key'])
  t.strictSame(await leftAfter({ subject: 'anna', sid: '1' }), ['two', 'ben', 'benUnknown', 'elsewhere', 'key'], 'a login of an unknown session may be of that one')
  t.strictSame(await leftAfter({ subject: 'ben', sid: '1' }), ['one', 'two', 'unknown', 'ben', 'elsewhere', 'key'], 'a session is one person\'s')
  t.strictSame(await leftAfter({ sid: '4' }), Object.keys(openers))
})
