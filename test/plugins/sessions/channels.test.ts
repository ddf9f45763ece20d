import { mock } from 'node:test'
import t, { type Test } from 'tap'
import type { Credential } from '#domain/access/credential.ts'
import channels from '#plugins/sessions/channels.ts'
import { bareApp } from '#support/bare-app.ts'

/** Within this time, credentials are looked at. */
const CHECKED_MS = 2000
const [SESSION, OTHER] = ['a'.repeat(32), 'b'.repeat(32)]
const PAGE = { type: 'viewer', address: '192.0.2.1' } as const

const credentialOf = (holds: () => boolean): Credential => ({ kind: 'key', id: '1', holds })
const good = credentialOf(() => true)
const ignore = () => {}

/** A function stands in for the plugin `audit`: `owned` returns the ids that the audit would see. */
async function withChannels (t: Test) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let owned: () => Iterable<string> = () => []
  const { channels: opened } = await bareApp(t, [channels], { standIns: { audit: { own: (_kind, held) => { owned = held } } } })
  return { opened, owned: () => [...owned()] }
}

t.test('operators see who is connected to a session, from where and since when, until they leave', async t => {
  const { opened, owned } = await withChannels(t)
  const leave = opened.open(SESSION, { ...PAGE, user: 'anna' }, good, ignore)
  opened.open(SESSION, { type: 'events', address: '192.0.2.2' }, good, ignore)
  opened.open(OTHER, PAGE, good, ignore)
  t.match(opened.of(SESSION), [{ type: 'viewer', address: '192.0.2.1', user: 'anna', openedAt: Date }, { type: 'events', address: '192.0.2.2' }], 'oldest first')
  t.strictSame(owned(), [SESSION, OTHER], 'the audit sees whose they are')
  leave()
  t.match(opened.of(SESSION), [{ type: 'events' }])
  t.equal(opened.of(SESSION).length, 1)
})

t.test('a session without connections has no channels, also for the audit', async t => {
  const { opened, owned } = await withChannels(t)
  t.strictSame(opened.of(SESSION), [])
  const leave = opened.open(SESSION, PAGE, good, ignore)
  leave()
  leave() // a connection may end by more than one cause
  t.strictSame([opened.of(SESSION), owned()], [[], []])
})

t.test('a connection is closed within 2 s after its credential was revoked, and no other is', async t => {
  const { opened } = await withChannels(t)
  const closed: string[] = []
  let isRevoked = false
  opened.open(SESSION, PAGE, credentialOf(() => !isRevoked), () => { closed.push('revoked') })
  opened.open(SESSION, PAGE, good, () => { closed.push('good') })
  mock.timers.tick(CHECKED_MS)
  t.strictSame(closed, [])
  isRevoked = true
  mock.timers.tick(CHECKED_MS)
  t.strictSame(closed, ['revoked'])
})

t.test('while credentials cannot be looked up nobody is sent away; the next look does it', async t => {
  const { opened } = await withChannels(t)
  let isLocked = true
  let isClosed = false
  opened.open(SESSION, PAGE, credentialOf(() => { if (isLocked) throw new Error('database is locked'); return false }), () => { isClosed = true })
  mock.timers.tick(CHECKED_MS)
  t.notOk(isClosed)
  isLocked = false
  mock.timers.tick(CHECKED_MS)
  t.ok(isClosed)
})
