import t from 'tap'
import { LOCAL, SCOPES, type Principal } from '#domain/principal.ts'
import type { EndReason, SessionRecord, SessionState } from '#domain/session.ts'
import { validityOf } from '#domain/sessions/validity.ts'

const NOW = new Date('2026-01-01T12:00:00Z')
const ago = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000)
const OWNER: Principal = { user: 'ann', role: 'user', scopes: ['view'] }
const OTHER: Principal = { ...OWNER, user: 'bob' }
const NOT_FOUND = { valid: false, reason: 'session_not_found' }

function record (state: SessionState, reason?: EndReason, endedAt?: Date): SessionRecord {
  return {
    id: 'a',
    slot: { index: 0, displayPort: 1, devServerPort: 2, devToolsPort: 3 },
    account: { name: 'x', uid: 1, gid: 1, home: '/x' },
    template: 'vanilla',
    width: 1,
    height: 1,
    createdAt: ago(100),
    owner: 'ann',
    address: '127.0.0.1',
    isAuthenticated: false,
    state,
    version: 0,
    ...(reason && { reason }),
    ...(endedAt && { endedAt })
  }
}

t.test('its owner hears that a session lives, or for an hour why it ended', async t => {
  t.strictSame(validityOf(OWNER, record('ready'), NOW), { valid: true })
  t.strictSame(validityOf(OWNER, record('creating'), NOW), { valid: true })
  for (const [reason, told] of [['idle', 'session_idle'], ['never-used', 'session_idle'], ['expired', 'session_expired'], ['killed', 'session_killed'], ['violation', 'security_violation']] as const) {
    t.strictSame(validityOf(OWNER, record('stopping', reason), NOW), { valid: false, reason: told }, `${reason}, while it ends`)
    for (const minutes of [0, 59, 60, -60]) t.strictSame(validityOf(OWNER, record('ended', reason, ago(minutes)), NOW), { valid: false, reason: told }, `${reason}, ${minutes} min ago`)
    t.strictSame(validityOf(OWNER, record('ended', reason, ago(61)), NOW), NOT_FOUND, `${reason}, an hour ago`)
  }
  for (const reason of ['deleted', 'crashed', 'shutdown', 'recovered'] as const) t.strictSame(validityOf(OWNER, record('ended', reason, ago(1)), NOW), NOT_FOUND, reason)
})

t.test('nobody else can tell it from one that never was', async t => {
  t.strictSame(validityOf(OTHER, undefined, NOW), NOT_FOUND)
  for (const state of ['creating', 'ready', 'stopping', 'ended', 'failed'] as const) t.strictSame(validityOf(OTHER, record(state, 'idle', ago(1)), NOW), NOT_FOUND, state)
  const admin: Principal = { user: 'ada', role: 'admin', scopes: SCOPES }
  t.strictSame([validityOf(admin, record('ready'), NOW), validityOf(admin, record('ended', 'idle', ago(1)), NOW)], [{ valid: true }, NOT_FOUND], 'an admin knows what lives; why it ended is its owner\'s business')
  t.strictSame(validityOf(LOCAL, record('ready'), NOW), { valid: true }, 'where nobody logs in, everybody is the one local user')
})
