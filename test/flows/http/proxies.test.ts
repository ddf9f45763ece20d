import { once } from 'node:events'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { keysCommand } from '#support/access/keys.ts'
import { launchViewer, showsPicture, statusOf } from '#support/display/viewer.ts'
import { startHaproxy, startNginx } from '#support/http/proxies.ts'
import { refusalOf, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { createSession, testEnv, type Server } from '#support/servers/server.ts'

const PREFIX = '/tools/ex10'
/** Longer than the 60 s after which nginx, and the 50 s after which haproxy closes a connection on which nothing is sent. */
const IDLE_MS = 80_000

const portOf = ({ url }: Server) => Number(new URL(url).port)

/** When each line of a creation came through the proxy, ms after the request. */
async function arrivals (url: string): Promise<number[]> {
  const startedAt = performance.now()
  const request = url.startsWith('https') ? requestTls : requestPlain
  const asked = request(`${url}/sessions`, { method: 'POST', rejectUnauthorized: false }).end()
  const [answer] = await once(asked, 'response')
  const times: number[] = []
  for await (const chunk of answer) times.push(...String(chunk).split('\n').slice(1).map(() => performance.now() - startedAt))
  return times
}

/** The lines came while the creation went on: the first came well before the last. */
function assertSpread (t: Test, times: number[], proxy: string): void {
  t.ok(times.length > 8, `${times.length} lines came`)
  t.ok(times[1]! < times.at(-1)! / 2, `through ${proxy}, the second line came after ${Math.round(times[1]!)} ms, and the last after ${Math.round(times.at(-1)!)}`)
}

t.test('Behind a proxy, as its manual configures it', async t => {
  const server = await serve(t, { EX10_TRUST_PROXY: '127.0.0.1', EX10_ALLOW_INSECURE: '1' })
  const proxies = { nginx: await freePort(), haproxy: await freePort() }
  await startNginx(t, { port: proxies.nginx, upstream: portOf(server) })
  await startHaproxy(t, { port: proxies.haproxy, upstream: portOf(server) })
  const session = await createSession(server)
  const browser = await launchViewer(t)
  const idle = await Promise.all([`https://localhost:${proxies.nginx}`, `http://localhost:${proxies.haproxy}`].map(async address => {
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
    const sockets: string[] = []
    page.on('websocket', socket => sockets.push(socket.url()))
    await page.goto(`${address}/session/${session.id}/`)
    await showsPicture(page)
    return { page, sockets, since: performance.now() }
  }))

  await t.test('each line of a creation comes as it happens', async t => {
    assertSpread(t, await arrivals(`https://localhost:${proxies.nginx}`), 'nginx')
    assertSpread(t, await arrivals(`http://localhost:${proxies.haproxy}`), 'haproxy')
  })

  for (const [how, to] of [['leaves the prefix in the path', ''], ['takes the prefix off', '/']] as const) {
    t.test(`below a path prefix, behind an nginx that ${how}, people log in, create, see their session, share it and log out`, async t => {
      const port = await freePort()
      const address = `https://localhost:${port}${PREFIX}`
      const server = await serve(t, { EX10_AUTH: 'keys', EX10_PORT: String(await freePort()), EX10_PUBLIC_URL: `${address}/`, EX10_TRUST_PROXY: '127.0.0.1' })
      await startNginx(t, { port, upstream: portOf(server), from: `${PREFIX}/`, to })
      const key = await keysCommand(server, 'create', '--user', 'anna')
      const browser = await launchViewer(t)
      const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1200, height: 750 } })
      const page = await context.newPage()
      const foreign: string[] = []
      page.on('request', request => { if (!request.url().startsWith(`${address}/`)) foreign.push(request.url()) })

      await page.goto(`${address}/session/${'0'.repeat(32)}/`)
      t.equal(page.url(), `${address}/?next=${encodeURIComponent(`${PREFIX}/session/${'0'.repeat(32)}/`)}`, 'a person who is not logged in is led to the page to log in')
      await page.goto(`${address}/`)
      await page.fill('#key', key)
      await page.click('#login button')
      await page.waitForSelector('#desk:not([hidden])')
      t.match(await context.cookies(`${address}/`), [{ name: /^__Secure-ex10-/, path: `${PREFIX}/`, secure: true }], 'the cookies are for this path alone')
      t.strictSame(await context.cookies(`https://localhost:${port}/other/`), [])
      await page.click('#create')
      await page.waitForURL(`${address}/session/*/index.html`, { timeout: 60_000 })
      await showsPicture(page)
      t.equal(await statusOf(page), '', 'the display is there')
      const id = /session\/(\w+)\//.exec(page.url())![1]!

      const asked = (path: string, init: RequestInit = {}) => fetch(server.url + path, { ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } })
      t.match(await (await asked(`/sessions/${id}`)).json(), { url: `${PREFIX}/session/${id}/` }, 'programs are told the same address')
      const { url: link } = await (await asked(`/sessions/${id}/shares`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"mode":"view"}' })).json() as { url: string }
      t.ok(link.startsWith(`${address}/share/`), 'a link begins with the public address')
      const guest = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
      await guest.goto(link)
      await showsPicture(guest)

      const events = await page.context().newPage()
      await events.goto(`${address}/docs/`)
      await events.waitForSelector('.opblock', { timeout: 30_000 })
      t.equal(await events.evaluate(`new Promise(resolve => {
        const socket = new WebSocket('${address.replace('https', 'wss')}/sessions/${id}/events')
        socket.onmessage = ({ data }) => resolve(JSON.parse(data).type)
        socket.onclose = ({ code }) => resolve('closed with ' + code)
      })`), 'ready', 'events come by a WebSocket')

      await page.goto(`${address}/`)
      await page.click('#sessions button')
      await page.getByText('None yet.').waitFor({ timeout: 30_000 })
      await page.click('#logout')
      await page.waitForSelector('#login:not([hidden])')
      t.equal(page.url(), `${address}/`)
      t.strictSame(foreign, [], 'no request left the prefix')
    })
  }

  await t.test('a display that nobody uses for 80 s stays connected', async t => {
    for (const { page, sockets, since } of idle) {
      await delay(Math.max(0, since + IDLE_MS - performance.now()))
      t.equal(await statusOf(page), '', 'the page has nothing to say')
      t.equal(sockets.length, 1, `and has opened one connection: ${sockets}`)
    }
  })
})

t.test('a path prefix that is a route of the server stops the start', async t => {
  t.match(await refusalOf(testEnv({ EX10_PUBLIC_URL: 'https://ex10.example/session/', EX10_ALLOW_INSECURE: '1' })), /EX10_PUBLIC_URL=https:\/\/ex10.example\/session cannot be used: the server has a route of its own/)
})
