import t from 'tap'
import { isInForce, readKeyRequest, scopesOf } from '#domain/access/api-key.ts'

const now = new Date('2026-06-01T00:00:00Z')

t.test('a key that says no more has all that its role may have', async t => {
  t.strictSame(readKeyRequest({ user: 'anna' }, now), { user: 'anna', role: 'user', scopes: ['create', 'view', 'push'] })
  t.strictSame(readKeyRequest({ user: 'ada', role: 'admin' }, now).scopes, ['create', 'view', 'push', 'admin'])
  t.strictSame(readKeyRequest({ user: 'ci', scopes: ['push'], expiresAt: '2026-07-01' }, now), { user: 'ci', role: 'user', scopes: ['push'], expiresAt: new Date('2026-07-01') })
})

t.test('a key that could never be used is refused', async t => {
  for (const request of [{ scopes: ['admin'] as const }, { expiresAt: '2026-06-01T00:00:00Z' }, { expiresAt: 'never' }, { expiresAt: '' }]) {
    t.throws(() => readKeyRequest({ user: 'anna', ...request }, now), { code: 'EX10_BAD_REQUEST' }, JSON.stringify(request))
  }
})

t.test('a key is in force until it is revoked, or its time is over', async t => {
  const key = { id: 'k', user: 'anna', role: 'user' as const, scopes: scopesOf('user'), createdAt: new Date(0) }
  t.ok(isInForce(key, now))
  t.ok(isInForce({ ...key, expiresAt: new Date(now.getTime() + 1) }, now))
  t.notOk(isInForce({ ...key, expiresAt: now }, now))
  t.notOk(isInForce({ ...key, revokedAt: new Date(0) }, now))
})
