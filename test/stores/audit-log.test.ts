import { ERASED_USER } from '#domain/operations/audit-entry.ts'
import { FIRST_LINK, type AuditedDeed } from '#domain/operations/audit-log.ts'
import { contract } from '#support/stores.ts'

const at = new Date('2026-01-01T00:00:00Z')
const deeds: AuditedDeed[] = [
  { user: 'anna', address: '192.0.2.1', action: 'session.created', target: 'a' },
  { user: 'ben', action: 'session.created', target: 'b' },
  { user: 'ada', action: 'key.revoked', target: 'k', details: { user: 'ben', count: 2, violation: true } },
  { user: 'anna', action: 'session.end', target: 'a' }
]

contract('openAuditLog', 'entries are numbered and linked in the order of the calls, also when nobody waits', async (t, log) => {
  t.strictSame(await log.head(), { seq: 0, hash: FIRST_LINK })
  const added = deeds.map(deed => log.append(deed, at))
  const entries = (await log.page({ limit: 10 })).reverse()
  await Promise.all(added)
  t.strictSame(entries.map(({ hash, ...entry }) => entry), deeds.map((deed, i) => ({ seq: i + 1, at: at.toISOString(), ...deed })))
  t.equal(new Set(entries.map(({ hash }) => hash)).size, 4, 'each has a hash of its own')
  t.strictSame(await log.head(), { seq: 4, hash: entries[3]?.hash })
  t.equal(await log.firstBroken(AbortSignal.timeout(5000)), undefined)
})

contract('openAuditLog', 'entries are found by user, action and target, newest first, page by page', async (t, log) => {
  for (const deed of deeds) await log.append(deed, at)
  const found = async (query: object) => (await log.page({ limit: 10, ...query })).map(({ seq }) => seq)
  t.strictSame(await found({}), [4, 3, 2, 1])
  t.strictSame(await found({ user: 'anna' }), [4, 1])
  t.strictSame(await found({ action: 'session.created' }), [2, 1])
  t.strictSame(await found({ target: 'a', user: 'anna', action: 'session.end' }), [4])
  t.strictSame(await found({ user: 'nobody' }), [])
  t.strictSame(await found({ limit: 2 }), [4, 3])
  t.strictSame(await found({ limit: 2, before: 3 }), [2, 1])
  t.strictSame(await found({ before: 1 }), [])
})

const about: AuditedDeed[] = [
  { user: 'anna', address: '192.0.2.1', port: 40_000, action: 'session.created', target: 'a' },
  { user: 'server', action: 'session.ended', target: 'a', details: { owner: 'anna', reason: 'deleted' } },
  { user: 'ada', address: '192.0.2.9', action: 'user.end-sessions', target: 'anna', details: { sessions: 1 } },
  { user: 'ada', address: '192.0.2.9', action: 'key.created', target: 'k', details: { user: 'anna', role: 'user' } },
  { user: 'anna', address: '192.0.2.1', action: 'user.end-logins', target: 'anna', details: { logins: 1 } },
  { user: 'ben', address: '192.0.2.2', action: 'login', details: { keyId: 'anna' } }
]

contract('openAuditLog', 'what it says of a user can be erased: the rest stays, and the chain, with its hashes, is intact', async (t, log) => {
  for (const deed of about) await log.append(deed, at)
  const before = await log.page({ limit: 10 })
  t.strictSame(before.map(({ seq, hash, ...entry }) => entry), about.toReversed().map(deed => ({ at: at.toISOString(), ...deed })), 'the control')
  t.equal(await log.erase('anna'), 5)
  const after = await log.page({ limit: 10 })
  t.strictSame(after.toReversed().map(({ seq, hash, at, ...entry }) => entry), [
    { user: ERASED_USER, action: 'session.created', target: 'a', erased: true },
    { user: 'server', action: 'session.ended', target: 'a', details: { reason: 'deleted' }, erased: true },
    { user: 'ada', address: '192.0.2.9', action: 'user.end-sessions', details: { sessions: 1 }, erased: true },
    { user: 'ada', address: '192.0.2.9', action: 'key.created', target: 'k', details: { role: 'user' }, erased: true },
    { user: ERASED_USER, action: 'user.end-logins', details: { logins: 1 }, erased: true },
    about[5]
  ])
  t.strictSame(after.map(({ seq, hash }) => [seq, hash]), before.map(({ seq, hash }) => [seq, hash]), 'a copy of a head is as good as before')
  t.equal(await log.firstBroken(AbortSignal.timeout(5000)), undefined)
  for (const query of [{ user: 'anna' }, { target: 'anna' }]) t.strictSame(await log.page({ limit: 10, ...query }), [])
  t.equal(await log.erase('anna'), 0)
  t.equal(await log.erase('ada'), 2, 'and another one later')
  await log.append(about[0]!, at)
  t.equal(await log.firstBroken(AbortSignal.timeout(5000)), undefined)
  t.match(await log.page({ limit: 1, user: 'anna' }), [{ seq: 7 }], 'the user may come back')
})
