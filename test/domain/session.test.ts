import t from 'tap'
import { parseFacts } from '#domain/session.ts'

const FACTS = { id: 'a', slot: { index: 0, displayPort: 1, devServerPort: 2, devToolsPort: 3 }, account: { name: 'x', uid: 1, gid: 1, home: '/x' }, template: 'vanilla', width: 1, height: 1, createdAt: '2026-01-01T12:00:00.000Z' }

t.test('facts are read as they were written, those of an earlier version, too', async t => {
  const now = { ...FACTS, owner: 'anna', address: '192.0.2.7', port: 40_000, isAuthenticated: true }
  t.strictSame(parseFacts(JSON.stringify(now)), { ...now, createdAt: new Date(FACTS.createdAt) })
  const { port, ...older } = now
  t.strictSame(parseFacts(JSON.stringify(older)), { ...older, createdAt: new Date(FACTS.createdAt) }, 'before ports were kept')
  t.strictSame(parseFacts(JSON.stringify(FACTS)), { ...FACTS, owner: 'local', address: '', isAuthenticated: false, createdAt: new Date(FACTS.createdAt) }, 'before users were known')
})
