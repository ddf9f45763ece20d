import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { FIRST_LINK, linkOf, type AuditedDeed } from '#domain/operations/audit-log.ts'
import { openAuditLog } from '#stores/sqlite/audit-log.ts'

t.test('entries of a version that kept no ports are read, and the chain that goes on from them is intact', async t => {
  const folder = mkdtempSync(`${tmpdir()}/ex10-audit-log-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const earlier = await openAuditLog(`${folder}/audit-log.db`)
  await earlier.append({ user: 'anna', address: '192.0.2.7', action: 'session.created', target: 'a' })
  await earlier.close()
  const store = await openAuditLog(`${folder}/audit-log.db`)
  t.teardown(() => store.close())
  await store.append({ user: 'anna', address: '192.0.2.7', port: 40_000, action: 'session.end', target: 'a' })
  const [end, created] = await store.page({ limit: 10 })
  t.match(end, { seq: 2, address: '192.0.2.7', port: 40_000 })
  t.match(created, { seq: 1, address: '192.0.2.7', action: 'session.created' })
  t.notOk('port' in created!)
  t.equal(await store.firstBroken(AbortSignal.timeout(5000)), undefined)
})

/** A log as earlier versions wrote it: each text has the whole deed. */
function earlierLog (file: string, deeds: AuditedDeed[]): void {
  const database = new DatabaseSync(file)
  database.exec(`CREATE TABLE entries (seq INTEGER PRIMARY KEY CHECK (seq > 0), text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
    CREATE TRIGGER never_changed BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END`)
  let hash = FIRST_LINK
  for (const [index, deed] of deeds.entries()) {
    const text = JSON.stringify({ at: '2026-01-01T00:00:00.000Z', ...deed })
    hash = linkOf(hash, index + 1, text)
    database.prepare('INSERT INTO entries VALUES (?, ?, ?)').run(index + 1, text, hash)
  }
  database.close()
}

t.test('entries of earlier versions are erased, too: they keep their hashes, and an entry of the chain vouches for what they say now', async t => {
  const file = `${t.testdir()}/audit-log.db`
  const deeds: AuditedDeed[] = [
    { user: 'anna', address: '192.0.2.7', action: 'session.created', target: 'a' },
    { user: 'ben', action: 'session.created', target: 'b' },
    { user: 'ada', action: 'user.end-sessions', target: 'anna', details: { sessions: 1 } },
    { user: 'server', action: 'session.ended', target: 'a', details: { owner: 'anna', reason: 'killed' } }
  ]
  earlierLog(file, deeds)
  const store = await openAuditLog(file)
  t.teardown(() => store.close())
  const broken = () => store.firstBroken(AbortSignal.timeout(5000))
  t.equal(await broken(), undefined, 'the log of the earlier version')
  const { hash } = await store.head()
  await store.append({ user: 'anna', action: 'login' })
  t.match(await store.page({ limit: 10, user: 'anna' }), [{ seq: 5 }, { seq: 1 }], 'both forms are found')
  t.match(await store.page({ limit: 10, target: 'anna' }), [{ seq: 3 }])
  t.equal(await store.erase('anna'), 4)
  t.equal(await broken(), undefined)
  t.match((await store.page({ limit: 10 })).toReversed(), [
    { user: 'erased', target: 'a', erased: true }, { user: 'ben' }, { user: 'ada', details: { sessions: 1 } }, { user: 'server', details: { reason: 'killed' }, hash }, { user: 'erased', action: 'login' },
    { seq: 6, user: 'server', action: 'audit-log.erased' }
  ], 'the heads that were copied elsewhere are there')
  for (const name of [file, `${file}-wal`]) t.notMatch(readFileSync(name, 'latin1'), 'anna', `no trace is left in ${name}`)
  t.equal(await store.erase('ada'), 1)
  t.equal(await broken(), undefined, 'an entry that is rewritten twice')

  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  t.throws(() => other.exec("UPDATE entries SET text = replace(text, 'ben', 'eve')"), /append-only/, 'the log is append-only as ever')
  other.exec("DROP TRIGGER never_changed; UPDATE entries SET text = replace(text, 'created', 'ended') WHERE seq = 1")
  t.equal(await broken(), 1, 'nobody vouches for another text')
  other.exec("UPDATE entries SET text = replace(text, 'ended', 'created') WHERE seq = 1; UPDATE entries SET text = replace(text, 'ben', 'eve') WHERE seq = 2")
  t.equal(await broken(), 2)
})

t.test('a person of an entry cannot be exchanged for another', async t => {
  const file = `${t.testdir()}/audit-log.db`
  const store = await openAuditLog(file)
  t.teardown(() => store.close())
  for (const user of ['anna', 'ben']) await store.append({ user, action: 'login' })
  const other = new DatabaseSync(file)
  t.teardown(() => other.close())
  t.throws(() => other.exec("UPDATE persons SET text = replace(text, 'ben', 'eve')"), /never changed/)
  other.exec("DROP TRIGGER person_never_changed; UPDATE persons SET text = replace(text, 'ben', 'eve')")
  t.equal(await store.firstBroken(AbortSignal.timeout(5000)), 2)
})
