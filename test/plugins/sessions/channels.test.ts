import t, { type Test } from 'tap'
import type { Credential } from '#domain/access/credential.ts'
import channels from '#plugins/sessions/channels.ts'
import { failure } from '#errors.ts'
import { bareApp } from '#support/bare-app.ts'

const [SESSION, OTHER] = ['a'.repeat(32), 'b'.repeat(32)]
const PAGE = { type: 'viewer', address: '192.0.2.1' } as const

const credentialOf = (holds: () => Promise<boolean>): Credential => ({ kind: 'key', id: '1', opener: async () => undefined, holds })
const good = credentialOf(async () => true)
const ignore = () => {}

/** Functions stand in for the plugins `audit` and `metrics`: `owned` returns the ids that the audit would see, `counted` the values of the metric. */
async function withChannels (t: Test, everyMs = 10) {
  let owned: () => Iterable<string> | Promise<Iterable<string>> = () => []
  let counted: () => unknown = () => []
  const app = await bareApp(t, [], { standIns: { audit: { own: (_kind, held) => { owned = held } }, metrics: { own: ({ read }) => { counted = read } } } })
  await app.register(channels, { everyMs })
  const alive = setInterval(ignore, 1000) // the plugin's own timer lets the process end
  t.teardown(() => clearInterval(alive))
  return { opened: app.channels, owned: async () => [...await owned()], counted: () => counted() }
}

t.test('operators see who is connected to a session, from where and since when, until they leave', async t => {
  const { opened, owned, counted } = await withChannels(t)
  const leave = opened.open(SESSION, { ...PAGE, user: 'anna' }, good, ignore)
  opened.open(SESSION, { type: 'events', address: '192.0.2.2' }, good, ignore)
  opened.open(OTHER, PAGE, good, ignore)
  t.match(opened.of(SESSION), [{ type: 'viewer', address: '192.0.2.1', user: 'anna', openedAt: Date }, { type: 'events', address: '192.0.2.2' }], 'oldest first')
  t.strictSame(await owned(), [SESSION, OTHER], 'the audit sees whose they are')
  t.strictSame(counted(), [[{ type: 'viewer' }, 2], [{ type: 'events' }, 1]], 'the metrics have their number')
  t.strictSame(opened.to(id => id === OTHER), opened.of(OTHER), 'those of several sessions are found together')
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
  t.strictSame([opened.of(SESSION), await owned()], [[], []])
})

t.test('a connection is closed soon after its credential was revoked, and no other is', async t => {
  const { opened } = await withChannels(t)
  opened.open(SESSION, PAGE, good, () => t.fail('its credential is good'))
  let checks = 0
  await new Promise<void>(resolve => { opened.open(SESSION, PAGE, credentialOf(async () => ++checks <= 3), resolve) })
  t.equal(checks, 4, 'while it was good nobody was sent away')
})

t.test('a credential that ended while the connection was opened closes it at once', async t => {
  const { opened } = await withChannels(t, 600_000)
  await new Promise<void>(resolve => { opened.open(SESSION, PAGE, credentialOf(async () => false), resolve) })
  const leave = opened.open(SESSION, PAGE, credentialOf(async () => false), () => t.fail('it had left'))
  leave()
  await new Promise(resolve => setImmediate(resolve))
})

t.test('while credentials cannot be looked up nobody is sent away; the next look does it', async t => {
  const { opened } = await withChannels(t)
  let looks = 0
  const credential = credentialOf(async () => {
    if (++looks < 4) throw new Error('database is locked')
    return false
  })
  await new Promise<void>(resolve => { opened.open(SESSION, PAGE, credential, resolve) })
  t.equal(looks, 4)
})

t.test('a credential that can never be looked up keeps no other from being checked', async t => {
  const { opened } = await withChannels(t)
  const broken = credentialOf(async () => { throw new Error('database is locked') })
  opened.open(SESSION, PAGE, broken, () => t.fail('nobody knows whether it is good'))
  let looks = 0
  await new Promise<void>(resolve => { opened.open(OTHER, PAGE, credentialOf(async () => ++looks < 3), resolve) })
  t.equal(looks, 3)
})

t.test('a connection whose credential the store has not vouched for in ten minutes is closed', async t => {
  const { opened } = await withChannels(t)
  const away = async () => { throw failure('STORE_UNAVAILABLE') } // the store's last answer is too old to count
  await new Promise<void>(resolve => { opened.open(SESSION, PAGE, credentialOf(away), resolve) })
})
