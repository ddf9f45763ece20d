import t from 'tap'
import { scopesOf } from '#domain/access/api-key.ts'
import type { Opener } from '#domain/access/login.ts'
import { openLogins } from '#stores/sqlite/logins.ts'

const principal = { user: 'anna', role: 'user', scopes: scopesOf('user') } as const
const issuer = 'https://login.example.org'

t.test('when a session ends at the provider, its logins end; when all of a person\'s do, all of theirs; nobody else\'s', async t => {
  const store = openLogins(`${t.testdir({})}/logins.db`)
  t.teardown(() => store.close())
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
  const leftAfter = (ended: { subject?: string, sid?: string }) => {
    const now = new Date()
    const tokens = Object.entries(openers).map(([name, opener]) => [name, store.create({ principal, ...opener, createdAt: now, seenAt: now, fingerprint: 'f', address: '192.0.2.1' })] as const)
    const users = store.removeOf({ issuer, ...ended })
    const left = tokens.filter(([, token]) => store.find(token)).map(([name]) => name)
    t.strictSame(users, Array(tokens.length - left.length).fill(principal.user), 'whose they were, as many times as it says')
    for (const [, token] of tokens) store.remove(token)
    return left
  }
  t.strictSame(leftAfter({ sid: '1' }), ['two', 'unknown', 'ben', 'benUnknown', 'elsewhere', 'key'])
  t.strictSame(leftAfter({ subject: 'anna' }), ['ben', 'benUnknown', 'elsewhere', 'key'])
  t.strictSame(leftAfter({ subject: 'anna', sid: '1' }), ['two', 'ben', 'benUnknown', 'elsewhere', 'key'], 'a login of an unknown session may be of that one')
  t.strictSame(leftAfter({ subject: 'ben', sid: '1' }), ['one', 'two', 'unknown', 'ben', 'elsewhere', 'key'], 'a session is one person\'s')
  t.strictSame(leftAfter({ sid: '4' }), Object.keys(openers))
})
