import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Frame, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { freePort } from '#support/servers/free-port.ts'
import { eventually } from '#support/servers/server.ts'
import { launchViewer, showsPicture, statusOf } from '#support/display/viewer.ts'

/** A front end of its own origin: one empty page. Returns that origin. */
async function frontEnd (t: Test): Promise<string> {
  const pages = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>A front end</title><iframe width="1000" height="650"></iframe>'))
  pages.listen(0, 'localhost')
  await once(pages, 'listening')
  t.teardown(() => pages.close())
  t.teardown(() => pages.closeAllConnections())
  return `http://localhost:${(pages.address() as AddressInfo).port}`
}

/** The frame of the front end, as a page, for the functions that look at pages. */
const inFrame = async (page: Page): Promise<Page> => await (await page.waitForSelector('iframe')).contentFrame() as Frame as unknown as Page

/** As a front end does it: this runs in its page. */
const SHOW = `async ([server, key]) => {
  const response = await fetch(server + '/sessions', { method: 'POST', headers: { authorization: 'Bearer ' + key, accept: 'application/json' } })
  const { sessionId, displayUrl } = await response.json()
  document.querySelector('iframe').src = displayUrl
  return { sessionId, displayUrl }
}`

t.test('a front end with a key frames a session by its displayUrl; the page outlives the address and the server, and ends with the key', async t => {
  const origin = await frontEnd(t)
  const stranger = await frontEnd(t)
  const settings = { EX10_AUTH: 'keys', EX10_ORIGINS: origin, EX10_PORT: String(await freePort()) }
  let server = await serve(t, settings)
  const [anna, key, other] = [await keysCommand(server, 'create', '--user', 'anna'), await keysCommand(server, 'create', '--user', 'anna'), await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin')]
  const browser = await launchViewer(t)
  const page = await browser.newPage()
  await page.goto(origin)
  const { sessionId, displayUrl } = await page.evaluate(`(${SHOW})(${JSON.stringify([server.url, key])})`) as { sessionId: string, displayUrl: string }
  await showsPicture(await inFrame(page))

  const { headers } = await fetch(displayUrl)
  t.match(Object.fromEntries(headers), { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'content-security-policy': new RegExp(`^sandbox allow-scripts.*frame-ancestors 'self' ${origin}$`) })
  t.match(await ask(as(server, other), `/session/${sessionId}/display?token=${'A'.repeat(43)}.AAAA`), { status: 403, body: { code: 'EX10_DISPLAY_URL_EXPIRED' } }, 'no other token opens it, whoever asks')
  t.equal((await fetch(displayUrl.replace('/display?', '/state?'))).status, 404, 'and its token is good for nothing else')
  t.equal((await fetch(`${server.url}/session/${sessionId}/index.html`)).status, 401)
  const elsewhere = await browser.newPage()
  await elsewhere.goto(stranger)
  await elsewhere.evaluate(`document.querySelector('iframe').src = ${JSON.stringify(displayUrl)}`)
  await eventually('a refusal by the browser', async () => (await inFrame(elsewhere)).url().startsWith('chrome-error:'))
  await elsewhere.close()
  const [fresh] = await Promise.all([as(server, anna), as(server, other)].map(async user => (await read(user, '/sessions/:id', { id: sessionId })).displayUrl!))
  t.not(fresh, displayUrl)
  t.equal((await fetch(fresh!)).status, 200, 'GET /sessions/ID has a new one whenever it is asked')

  await server.stop('SIGKILL')
  server = await next(t, server)
  await eventually('the page at a new address', async () => {
    const url = (await inFrame(page)).url()
    return url.startsWith(`${server.url}/session/${sessionId}/display?token=`) && url !== displayUrl
  }, 30_000)
  await showsPicture(await inFrame(page))
  t.equal(page.url(), `${origin}/`)

  const admin = as(server, other)
  const used = (await read(admin, '/admin/keys')).keys.filter(({ user }) => user === 'anna').toSorted((a, b) => a.createdAt < b.createdAt ? -1 : 1).at(-1)!
  t.equal((await ask(admin, `/admin/keys/${used.id}`, { method: 'DELETE' })).status, 200)
  await eventually('a word to the person', async () => await statusOf(await inFrame(page)) === 'The login or key that opened this page has ended.')
  t.equal((await fetch(displayUrl)).status, 401)
  t.equal((await fetch(fresh!)).status, 200, 'the control: the address of another key')
  t.notMatch(server.output(), /token=[\w.-]/, 'no address is logged')
  t.equal((await ask(admin, `/sessions/${sessionId}`, { method: 'DELETE' })).status, 200)
  t.equal((await fetch(fresh!)).status, 404, 'it ends with the session')
  await assertEndsClean(t, admin)
})

t.test('an admin who opens another user\'s session by its displayUrl is noted, as by its page', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys' })
  const [anna, ada] = [as(server, await keysCommand(server, 'create', '--user', 'anna')), as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))]
  const { body: { sessionId } } = await ask(anna, '/sessions', { method: 'POST', headers: { accept: 'application/json' } })
  for (const user of [anna, ada]) t.equal((await fetch((await read(user, '/sessions/:id', { id: sessionId })).displayUrl!)).status, 200)
  const { entries } = await read(ada, '/admin/audit-log')
  t.match(entries.filter(({ action }) => action === 'session.viewed'), [{ user: 'ada', target: sessionId, details: { owner: 'anna' } }])
  t.equal(entries.filter(({ action }) => action === 'session.viewed').length, 1)
  await assertEndsClean(t, ada)
})
