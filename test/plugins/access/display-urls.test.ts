import t, { type Test } from 'tap'
import type { Credential, CredentialKind } from '#domain/access/credential.ts'
import type { Client } from '#domain/access/login.ts'
import displayUrls from '#plugins/access/display-urls.ts'
import secrets from '#plugins/access/secrets.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { bareApp } from '#support/bare-app.ts'

const [SESSION, OTHER] = ['a'.repeat(32), 'b'.repeat(32)]
const FROM = { fingerprint: 'a browser', address: '192.0.2.1' }
const LIFE_MS = 300_000

/** Functions stand in for `credentials`: those in `gone` hold no longer, and a login holds for its own address only. */
async function withUrls (t: Test, dataDir = t.testdir()) {
  const gone = new Set<string>()
  const find = (kind: CredentialKind, id = ''): Credential => ({
    kind, id, opener: async () => undefined, holds: async (from?: Client) => !gone.has(id) && (kind !== 'login' || from?.address === FROM.address)
  })
  const app = await bareApp(t, [secrets, displayUrls], { standIns: { instance: { folder: dataFolderAt(dataDir) }, registry: { live: () => [] }, credentials: { find } } })
  return { urls: app.displayUrls, callerBy: (kind: CredentialKind, id: string) => ({ user: 'anna', credential: find(kind, id) }), gone }
}

t.test('an address opens the page for its caller, for five minutes, as often as it is loaded', async t => {
  const { urls, callerBy } = await withUrls(t)
  for (const [kind, id] of [['key', '0a1b'], ['none', ''], ['token', '2030-01-31T00:00:00.000Z']] as const) {
    const token = urls.issue(SESSION, callerBy(kind, id))
    for (const time of ['first', 'second']) t.match(await urls.open(token, SESSION, FROM), { user: 'anna', credential: { kind, id } }, `${kind}, the ${time} time`)
  }
  const token = urls.issue(SESSION, callerBy('key', '0a1b'))
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + LIFE_MS - 5000
  t.ok(await urls.open(token, SESSION, FROM))
  Date.now = () => now() + LIFE_MS + 5000
  await t.rejects(urls.open(token, SESSION, FROM), { code: 'EX10_DISPLAY_URL_EXPIRED', statusCode: 403 })
})

t.test('an address is good for its own session, and nobody can forge or prolong one', async t => {
  const { urls, callerBy } = await withUrls(t)
  const token = urls.issue(SESSION, callerBy('key', '0a1b'))
  await t.rejects(urls.open(token, OTHER, FROM), { code: 'EX10_DISPLAY_URL_EXPIRED' })
  const [mac, text] = token.split('.')
  const says = Buffer.from(text!, 'base64url').toString()
  const saying = (text: string) => `${mac}.${Buffer.from(text).toString('base64url')}`
  t.equal(saying(says), token, 'control')
  for (const forged of [saying(says.replace(/^\d/, '9')), saying(says.replace('0a1b', '0a1c')), saying(says.replace('anna', 'ada')), token + '.', token.slice(1), mac!, '.', '']) {
    await t.rejects(urls.open(forged, SESSION, FROM), { code: 'EX10_DISPLAY_URL_EXPIRED' }, JSON.stringify(forged))
  }
})

t.test('an address, and the page that it opened, end with the caller\'s credential', async t => {
  const { urls, callerBy, gone } = await withUrls(t)
  const token = urls.issue(SESSION, callerBy('key', '0a1b'))
  const renewal = urls.issueRenewal(SESSION, callerBy('key', '0a1b'))
  gone.add('0a1b')
  await t.rejects(urls.open(token, SESSION, FROM), { code: 'EX10_UNAUTHENTICATED' })
  await t.rejects(urls.renew(renewal, SESSION, FROM), { code: 'EX10_UNAUTHENTICATED' })
  const bound = urls.issue(SESSION, callerBy('login', 'b2'))
  t.ok(await urls.open(bound, SESSION, FROM))
  await t.rejects(urls.open(bound, SESSION, { ...FROM, address: '192.0.2.9' }), { code: 'EX10_UNAUTHENTICATED' }, 'one of a login that is bound to its address is, too')
})

t.test('a page gets new addresses for as long as it is open, also from the next server, but its token opens nothing itself', async t => {
  const folder = t.testdir()
  const before = await withUrls(t, folder)
  const renewal = before.urls.issueRenewal(SESSION, before.callerBy('key', '0a1b'))
  const { urls } = await withUrls(t, folder)
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 100 * LIFE_MS
  t.match(await urls.open(await urls.renew(renewal, SESSION, FROM), SESSION, FROM), { user: 'anna', credential: { kind: 'key', id: '0a1b' } })
  await t.rejects(urls.open(renewal, SESSION, FROM), { code: 'EX10_DISPLAY_URL_EXPIRED' })
  await t.rejects(urls.renew(renewal, OTHER, FROM), { code: 'EX10_SESSION_NOT_FOUND' })
  await t.rejects(urls.renew(urls.issue(SESSION, before.callerBy('key', '0a1b')), SESSION, FROM), { code: 'EX10_SESSION_NOT_FOUND' }, 'nor does an address prolong itself')
  await t.test('another server', async t => {
    await t.rejects((await withUrls(t)).urls.renew(renewal, SESSION, FROM), { code: 'EX10_SESSION_NOT_FOUND' })
  })
})
