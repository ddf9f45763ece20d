import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
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
  t.equal(entries[1]?.hash, linkOf(entries[0]!.hash, 2, JSON.stringify({ at: at.toISOString(), ...deeds[1] })))
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
