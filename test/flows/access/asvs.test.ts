import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { BrowserClient } from '#support/access/browser-client.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { createSession, eventually, type Server } from '#support/servers/server.ts'
import { openSocket, socketDisplay } from '#support/display/socket-display.ts'

/** Each test is named by the line of the OWASP Application Security Verification Standard 5.0, chapter 7, that it is about. */

interface People { server: Server, key: string, ada: Server, end: () => Promise<void> }

/** A server with a user, who has `key`, and an admin. */
async function servePeople (t: Test, settings: Record<string, string> = {}): Promise<People> {
  const server = await serve(t, { ...socketDisplay(t), EX10_AUTH: 'keys', ...settings })
  const key = await keysCommand(server, 'create', '--user', 'anna')
  const ada = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  return { server, key, ada, end: () => assertEndsClean(t, ada) }
}

async function loggedIn ({ server, key }: People): Promise<BrowserClient> {
  const browser = new BrowserClient(server)
  const { status } = await browser.logIn(key)
  if (status !== 200) throw new Error(`not logged in: ${status}`)
  return browser
}

const isIn = async (browser: BrowserClient) => (await browser.ask('/me')).status === 200
/** Asks for a change, as a page of ours does. */
async function change (browser: BrowserClient, method: string, path: string, body?: object) {
  const { csrfToken } = (await browser.ask('/me')).body
  return await browser.ask(path, { method, headers: { 'x-csrf-token': csrfToken }, ...(body && { body }) })
}

t.test('7.1.1 how long a login lasts, unused and at most, is documented, with the settings that say so', async t => {
  const [readme, access] = ['README.md', 'docs/access.md'].map(file => readFileSync(file, 'utf8')) as [string, string]
  for (const setting of ['EX10_LOGIN_IDLE_TIMEOUT', 'EX10_LOGIN_TIMEOUT']) {
    t.match(readme, new RegExp(`\\| \`${setting}\` \\| \\d+ \\|`))
    t.match(access, setting)
  }
})

t.test('7.1.2 how many sessions a user may have, and what becomes of one more, is documented, with the settings that say so', async t => {
  const [readme, create] = ['README.md', 'docs/create.md'].map(file => readFileSync(file, 'utf8')) as [string, string]
  for (const setting of ['EX10_MAX_SESSIONS_PER_USER', 'EX10_WHEN_FULL']) {
    t.match(readme, `\`${setting}\``)
    t.match(create, setting)
  }
})

t.test('7.2.1 the server itself decides whether a login is good: no cookie that it has not given out is', async t => {
  const people = await servePeople(t)
  const browser = await loggedIn(people)
  const [token = '', signature = ''] = decodeURIComponent(browser.cookies.get('ex10-login')!).split('.')
  t.ok(await isIn(browser), 'the control')
  for (const forged of [`${token}.${signature.slice(1)}x`, token, `${'A'.repeat(token.length)}.${signature}`, `${token}x.${signature}`, '{"user":"ada","role":"admin"}', 'null']) {
    browser.cookies.set('ex10-login', encodeURIComponent(forged))
    t.notOk(await isIn(browser), forged.slice(0, 12))
  }
  await people.end()
})

t.test('7.2.3 what a login is known by has 256 random bits, no two are the same, and it is kept only as a hash', async t => {
  const people = await servePeople(t)
  const tokens = await Promise.all(Array.from({ length: 20 }, async () => {
    const browser = await loggedIn(people)
    return decodeURIComponent(browser.cookies.get('ex10-login')!).split('.')[0]!
  }))
  t.equal(new Set(tokens).size, tokens.length)
  for (const token of tokens) t.equal(Buffer.from(token, 'base64url').length, 32)
  const bits = Buffer.concat(tokens.map(token => Buffer.from(token, 'base64url')))
  const ones = bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0) / (bits.length * 8)
  t.ok(ones > 0.45 && ones < 0.55, `of 5,120 bits, ${(ones * 100).toFixed(1)} % are ones`)
  const kept = ['logins.db', 'logins.db-wal'].map(name => readFileSync(`${people.server.dataDir}/${name}`))
  const isKept = (what: string | Buffer) => kept.some(bytes => bytes.includes(what))
  for (const token of tokens) {
    t.strictSame([token, Buffer.from(token, 'base64url')].map(isKept), [false, false])
    t.ok(isKept(createHash('sha256').update(token).digest('hex')), 'the control')
  }
  await people.end()
})

t.test('7.2.4 whoever logs in has a new token, and the one before is good for nothing', async t => {
  const people = await servePeople(t)
  const browser = await loggedIn(people)
  const before = browser.cookies.get('ex10-login')!
  await browser.logIn(people.key)
  t.not(browser.cookies.get('ex10-login'), before)
  t.ok(await isIn(browser), 'the control')
  browser.cookies.set('ex10-login', before)
  t.notOk(await isIn(browser))
  await people.end()
})

t.test('7.3.1 a login that is not used ends', async t => {
  const people = await servePeople(t, { EX10_LOGIN_IDLE_TIMEOUT: '6' })
  const [idle, used] = [await loggedIn(people), await loggedIn(people)]
  for (let i = 0; i < 14; i++) {
    t.ok(await isIn(used), 'the control: one that is used does not')
    await delay(500)
  }
  t.notOk(await isIn(idle))
  await people.end()
})

t.test('7.3.2 a login ends in its time, however much it is used', async t => {
  const people = await servePeople(t, { EX10_LOGIN_TIMEOUT: '3' })
  const startedAt = performance.now()
  const browser = await loggedIn(people)
  t.ok(await isIn(browser), 'the control')
  await eventually('its end', async () => !await isIn(browser), 10_000)
  t.ok(performance.now() - startedAt >= 3000, 'and not before')
  await people.end()
})

t.test('7.4.1 logging out ends the login, also what it has open', async t => {
  const people = await servePeople(t)
  const browser = await loggedIn(people)
  const cookies = [...browser.cookies]
  const headers = { cookie: cookies.map(([name, value]) => `${name}=${value}`).join('; '), 'user-agent': 'A browser', 'accept-language': 'en', 'sec-fetch-site': 'same-origin' }
  const session = await createSession(as(people.server, people.key))
  const socket = await openSocket(t, session, headers)
  const closed = once(socket, 'close') as Promise<[number, Buffer]>
  const events = await fetch(`${people.server.url}/sessions/${session.id}/events`, { headers })
  t.equal((await change(browser, 'POST', '/logout')).status, 200)
  for (const [name, value] of cookies) browser.cookies.set(name, value)
  t.notOk(await isIn(browser), 'the same cookie is good for nothing')
  const [code, why] = await closed
  t.strictSame([code, why.toString()], [4403, 'you have been logged out'], 'the display is closed')
  t.match(await events.text(), /"type":"ready"/, 'and so is the stream of events')
  t.match(await listSessions(as(people.server, people.key)), [{ id: session.id, state: 'ready' }], 'the session lives on: it is its user\'s')
  await people.end()
})

t.test('7.4.2 when a user\'s access is taken away, nothing of theirs is good any more: keys, logins, and what they have open', async t => {
  const people = await servePeople(t)
  const { server, key, ada } = people
  const browsers = [await loggedIn(people), await loggedIn(people)]
  const session = await createSession(as(server, key))
  const socket = await openSocket(t, session, as(server, key).headers)
  const closed = once(socket, 'close') as Promise<[number]>
  const share = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"mode":"control"}' }
  const links: { url: string }[] = [(await ask(as(server, key), `/sessions/${session.id}/shares`, share)).body]
  links.push((await change(browsers[0]!, 'POST', `/sessions/${session.id}/shares`, { mode: 'control' })).body)
  for (const { url } of links) t.equal((await fetch(url)).status, 200, 'the control: by a link, one looks')
  const { keys } = await read(ada, '/admin/keys')
  for (const { id } of keys.filter(({ user }) => user === 'anna')) t.equal((await ask(ada, `/admin/keys/${id}`, { method: 'DELETE' })).status, 200)
  for (const browser of browsers) t.notOk(await isIn(browser))
  t.equal((await ask(as(server, key), '/sessions')).status, 401)
  t.equal((await closed)[0], 4403)
  for (const { url } of links) t.equal((await fetch(url)).status, 404, 'nor are the links that they gave away')
  t.strictSame((await ask(ada, '/admin/users/anna/sessions', { method: 'DELETE' })).body, { dryRun: false, ended: [session.id], failed: [] })
  await people.end()
})

t.test('7.4.3 whoever has lost control of a key or a browser can end all other logins', async t => {
  const people = await servePeople(t)
  const [own, lost, other] = [await loggedIn(people), await loggedIn(people), await loggedIn(people)]
  t.match(await change(own, 'DELETE', '/me/logins'), { status: 200, body: { ended: 2 } })
  t.strictSame([await isIn(own), await isIn(lost), await isIn(other)], [true, false, false])
  await people.end()
})

t.test('7.4.5 an admin can end all logins of one user', async t => {
  const people = await servePeople(t)
  const [one, two] = [await loggedIn(people), await loggedIn(people)]
  t.equal((await one.ask('/admin/users/anna/logins', { method: 'DELETE', headers: { 'x-csrf-token': (await one.ask('/me')).body.csrfToken } })).status, 403, 'nobody else can')
  t.match(await ask(people.ada, '/admin/users/anna/logins', { method: 'DELETE' }), { status: 200, body: { ended: 2 } })
  t.strictSame([await isIn(one), await isIn(two)], [false, false])
  t.match((await ask(people.ada, '/admin/audit-log?action=user.end-logins')).body.entries, [{ user: 'ada', target: 'anna' }])
  await people.end()
})

t.test('7.5.2 people see in which browsers they are logged in, and end each', async t => {
  const people = await servePeople(t)
  const [own, other] = [await loggedIn(people), await loggedIn(people)]
  const admin = new BrowserClient(people.server)
  await admin.logIn(people.ada.headers!.authorization!.slice('Bearer '.length))
  const { logins } = (await own.ask('/me/logins')).body
  t.match(logins.toSorted((a: { current: boolean }) => a.current ? -1 : 1), [{ current: true, address: '127.0.0.1', openedAt: /^20/, seenAt: /^20/, keyId: String }, { current: false }])
  t.equal(logins.length, 2, 'and nobody else\'s')
  const [adminLogin] = (await admin.ask('/me/logins')).body.logins
  t.equal((await change(own, 'DELETE', `/me/logins/${adminLogin.id}`)).status, 404, 'nor do they end anybody else\'s')
  const { id } = logins.find(({ current }: { current: boolean }) => !current)
  for (const part of [id.slice(0, 1), id.slice(0, -1), `${id}0`]) t.equal((await change(own, 'DELETE', `/me/logins/${part}`)).status, 404, 'nor several by a part of their ids')
  t.equal((await change(own, 'DELETE', `/me/logins/${id}`)).status, 200)
  t.strictSame([await isIn(own), await isIn(other), await isIn(admin)], [true, false, true])
  t.equal((await change(own, 'DELETE', `/me/logins/${id}`)).status, 404)
  await people.end()
})

t.test('7.6.2 no session is made without an act of its user: not by a prefetch, nor by another site, nor without the token of the login', async t => {
  const people = await servePeople(t)
  const browser = await loggedIn(people)
  const { csrfToken } = (await browser.ask('/me')).body
  const withToken = { 'x-csrf-token': csrfToken }
  const attempts: [Record<string, string>, string][] = [
    [{ ...withToken, 'sec-purpose': 'prefetch' }, 'EX10_PREFETCH_REFUSED'],
    [{ ...withToken, purpose: 'prefetch' }, 'EX10_PREFETCH_REFUSED'],
    [{ ...withToken, 'sec-fetch-site': 'cross-site' }, 'EX10_ORIGIN_REFUSED'],
    [{ ...withToken, origin: 'https://evil.example' }, 'EX10_ORIGIN_REFUSED'],
    [{}, 'EX10_CSRF'],
    [{ 'sec-fetch-site': 'none' }, 'EX10_CSRF']
  ]
  for (const [headers, code] of attempts) t.match(await browser.ask('/createSession', { headers }), { status: 403, body: { code } }, JSON.stringify(Object.keys(headers)))
  t.strictSame((await browser.ask('/sessions')).body.sessions, [])
  const made = await browser.ask('/createSession', { headers: withToken })
  t.match([made.status, made.body], [200, /"complete"/], 'the control')
  await people.end()
})
