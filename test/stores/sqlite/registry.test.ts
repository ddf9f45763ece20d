import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { SessionFacts } from '#domain/session.ts'
import { openRegistry } from '#stores/sqlite/registry.ts'

function facts (id: string, createdAt = new Date('2026-01-01T00:00:00Z')): SessionFacts {
  return {
    id,
    slot: { index: 3, displayPort: 9003, devServerPort: 8003, devToolsPort: 10003 },
    account: { name: 'ex10_user_0a0b0c0d', uid: 65601, gid: 990, home: '/var/lib/ex10/homes/ex10_user_0a0b0c0d' },
    template: 'vanilla',
    width: 1280,
    height: 800,
    createdAt,
    owner: 'local',
    address: '127.0.0.1',
    isAuthenticated: false
  }
}

function open (t: Test) {
  const folder = mkdtempSync(`${tmpdir()}/ex10-registry-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  return { file: `${folder}/registry.db`, store: openRegistry(`${folder}/registry.db`) }
}

t.test('a session that was recorded is known with all that is needed to undo it, also by the next server', async t => {
  const { file, store } = open(t)
  store.record(facts('a'))
  t.strictSame(store.get('a'), { ...facts('a'), state: 'creating', version: 0 })
  store.setState('a', 'ready')
  const next = openRegistry(file) // the first one was killed: it never closed
  t.strictSame(next.live(), [{ ...facts('a'), state: 'ready', version: 0 }])
  next.close()
  store.close()
})

t.test('ended and failed sessions are not shown, stopping ones are', async t => {
  const { store } = open(t)
  for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) store.record(facts(id, new Date(4 - i)))
  store.setState('a', 'ended', 'deleted')
  store.setState('b', 'failed', 'failed')
  store.setState('c', 'stopping', 'deleted')
  t.strictSame(store.live().map(({ id, state }) => [id, state]), [['d', 'creating'], ['c', 'stopping']], 'oldest first')
  t.equal(store.get('a'), undefined)
  t.equal(store.get('b'), undefined)
  t.equal(store.get('never'), undefined)
  store.close()
})

t.test('an ended session is found with why and when it ended, until it is pruned', async t => {
  const { store } = open(t)
  store.record(facts('a'))
  t.match(store.find('a'), { id: 'a', owner: 'local', state: 'creating', reason: undefined, endedAt: undefined })
  store.setState('a', 'stopping', 'idle')
  store.setState('a', 'ended')
  t.match(store.find('a'), { state: 'ended', reason: 'idle', endedAt: Date })
  t.equal(store.find('never'), undefined)
  store.prune(new Date(Date.now() + 1000))
  t.equal(store.find('a'), undefined)
  store.close()
})

t.test('how far a session\'s clocks are is noted, also in a registry of a version that knew none', async t => {
  const { file, store } = open(t)
  store.close()
  const old = new DatabaseSync(file)
  for (const column of ['noted_at', 'noted_boot', 'noted_uptime_ms', 'age_ms', 'idle_ms', 'is_used']) old.exec(`ALTER TABLE sessions DROP COLUMN ${column}`)
  old.prepare('INSERT INTO sessions (id, state, facts, created_at) VALUES (?, ?, ?, ?)').run('a', 'ready', JSON.stringify(facts('a')), facts('a').createdAt.toISOString())
  old.close()
  const next = openRegistry(file)
  t.match(next.live(), [{ id: 'a', state: 'ready' }], 'what it recorded is there')
  t.equal(next.clockNote('a'), undefined)
  const note = { wall: new Date('2026-01-01T00:00:00Z'), bootId: 'a boot', uptimeMs: 5000, ageMs: 400, idleMs: 30, isUsed: true }
  next.noteClocks([['a', { ...note, ageMs: 399.6 }], ['never', note]])
  t.strictSame(next.clockNote('a'), note)
  next.noteClocks([['a', { ...note, isUsed: false }]])
  t.equal(next.clockNote('a')?.isUsed, false)
  next.close()
})

t.test('an id is recorded once', async t => {
  const { store } = open(t)
  store.record(facts('a'))
  t.throws(() => store.record(facts('a')), /UNIQUE/)
  store.close()
})

t.test('pushes are counted, each session\'s by itself', async t => {
  const { store } = open(t)
  store.record(facts('a'))
  store.record(facts('b'))
  t.strictSame([store.addVersion('a'), store.addVersion('a'), store.addVersion('b')], [1, 2, 1])
  t.equal(store.get('a')?.version, 2)
  store.close()
})

t.test('the uid counter outlives the server', async t => {
  const { file, store } = open(t)
  t.equal(store.getCounter('next-uid'), undefined)
  store.setCounter('next-uid', 65601)
  store.setCounter('next-uid', 65602)
  store.close()
  const next = openRegistry(file)
  t.equal(next.getCounter('next-uid'), 65602)
  next.close()
})

t.test('what ended long ago is forgotten, what lives is not', async t => {
  const { store } = open(t)
  for (const id of ['a', 'b']) store.record(facts(id))
  store.setState('a', 'ended', 'deleted')
  store.prune(new Date(Date.now() + 1000))
  store.record(facts('a'))
  t.strictSame(store.live().map(({ id }) => id).toSorted(), ['a', 'b'])
  store.close()
})

t.test('nobody but root can read the registry, which names every session', async t => {
  const { file, store } = open(t)
  store.record(facts('a'))
  for (const path of [file, `${file}-wal`]) t.equal(statSync(path).mode & 0o077, 0, path.slice(-12))
  store.close()
})
