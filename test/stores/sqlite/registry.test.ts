import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openRegistry, readRegistry } from '#stores/sqlite/registry.ts'
import { factsOf } from '#support/facts.ts'

// what every backend has to do is in test/stores/registry.test.ts

function open (t: Test) {
  const folder = mkdtempSync(`${tmpdir()}/ex10-registry-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  return { file: `${folder}/registry.db`, ...openRegistry(`${folder}/registry.db`) }
}

t.test('a session that was recorded is known with all that is needed to undo it, also by the next server', async t => {
  const { file, sessions } = open(t)
  await sessions.record(factsOf('a'))
  t.strictSame(await sessions.find('a'), { ...factsOf('a'), state: 'creating', version: 0 })
  await sessions.ready('a')
  const next = openRegistry(file) // the first one was killed: it never closed
  t.strictSame(await next.sessions.live(), [{ ...factsOf('a'), state: 'ready', version: 0 }])
  await next.sessions.close()
  await sessions.close()
})

t.test('beside a server that has it open, all records are read, those that ended too; without a file there are none', async t => {
  const { file, sessions } = open(t)
  for (const id of ['a', 'b']) await sessions.record(factsOf(id))
  await sessions.stopping('a', 'idle')
  await sessions.ended('a', 'ended')
  t.match(readRegistry(file), [{ id: 'a', state: 'ended', reason: 'idle' }, { id: 'b', state: 'creating' }])
  await sessions.close()
  t.strictSame(readRegistry(`${file}-of-nobody`), [])
})

t.test('a registry of a version that noted no clocks is used as it is', async t => {
  const { file, sessions } = open(t)
  await sessions.close()
  const old = new DatabaseSync(file)
  for (const column of ['noted_at', 'noted_boot', 'noted_uptime_ms', 'age_ms', 'idle_ms', 'is_used']) old.exec(`ALTER TABLE sessions DROP COLUMN ${column}`)
  old.prepare('INSERT INTO sessions (id, state, facts, created_at) VALUES (?, ?, ?, ?)').run('a', 'ready', JSON.stringify(factsOf('a')), factsOf('a').createdAt.toISOString())
  old.close()
  t.match(readRegistry(file), [{ id: 'a', state: 'ready' }], 'it can be read without being changed')
  const next = openRegistry(file)
  t.match(await next.sessions.live(), [{ id: 'a', state: 'ready' }], 'what it recorded is there')
  t.equal(await next.clocks.noted('a'), undefined)
  const note = { wall: new Date('2026-01-01T00:00:00Z'), bootId: 'a boot', uptimeMs: 5000, ageMs: 400, idleMs: 30, isUsed: true }
  await next.clocks.note([['a', note]])
  t.strictSame(await next.clocks.noted('a'), note)
  await next.sessions.close()
})

t.test('the uid counter outlives the server', async t => {
  const { file, sessions, uids } = open(t)
  uids.set(65601)
  uids.set(65602)
  await sessions.close()
  const next = openRegistry(file)
  t.equal(next.uids.get(), 65602)
  await next.sessions.close()
})

t.test('nobody but root can read the registry, which names every session', async t => {
  const { file, sessions } = open(t)
  await sessions.record(factsOf('a'))
  for (const path of [file, `${file}-wal`]) t.equal(statSync(path).mode & 0o077, 0, path.slice(-12))
  await sessions.close()
})
