import type { SessionFacts } from '#domain/session.ts'

/** The facts of a session that nobody has made. */
export function factsOf (id: string, createdAt = new Date('2026-01-01T00:00:00Z')): SessionFacts {
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
