import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { displayEnv } from '#domain/programs/display.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually } from '#support/servers/server.ts'
import { readMeta } from '#support/display/socket-display.ts'
import { launchViewer, openDisplay, statusOf } from '#support/display/viewer.ts'

// each of them runs when it is put into a page as HTML, or tries to
const HOSTILE = [
  '<img src=x onerror=globalThis.ran=1>',
  '</title></option><svg onload=globalThis.ran=2>',
  '"><iframe srcdoc="<script>parent.ran=3</script>">',
  '<script>globalThis.ran=4</script>',
  '<a href="javascript:globalThis.ran=5" autofocus onfocus=globalThis.ran=6>x'
]

/** What an expression comes to in the page: its value, or the name of the error that it throws or rejects with. */
async function attempt (page: Page, expression: string): Promise<unknown> {
  // in a task of its own: DevTools lifts the ban on eval while it evaluates
  return page.evaluate(`new Promise(resolve => setTimeout(async () => {
    try { resolve(await (async () => ${expression})()) } catch (error) { resolve(error.name) }
  }))`)
}

t.test('The display page gives nothing to what is shown in it', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const devTools = await openDevTools(t, server, session)
  const tab = await devTools.firstTab()
  await tab.visit('https://hostile.test/', '<!doctype html><title>A page</title>')
  const browser = await launchViewer(t)
  const page = await openDisplay(browser, session.url)
  const indexUrl = `${session.url}index.html`
  const { facts, start } = await inside(t, server, session)
  const ran = (page: Page) => page.evaluate('globalThis.ran')
  const state = async () => {
    const { sessions } = await (await fetch(`${server.url}/sessions`)).json() as { sessions: { id: string, idleMs: number, expiresAt: string }[] }
    return sessions.map(({ idleMs, expiresAt, ...session }) => session) // time goes on
  }

  await t.test('a hostile title of a page is shown as text; in the stock client\'s page it runs', async t => {
    for (const title of HOSTILE) {
      await tab.evaluate(`document.title = ${JSON.stringify(title)}`)
      const shown = title.replaceAll(/\s+/g, ' ')
      await eventually(`${title} is the title`, async () => (await page.title()).includes(shown.slice(0, 30)), 30_000)
      t.equal(await ran(page), undefined, title)
    }
    await tab.evaluate(`document.title = ${JSON.stringify(HOSTILE[0])}`)
    const stock = await browser.newPage()
    await stock.goto(`http://127.0.0.1:${facts.slot.displayPort}/index.html?sharing=true&steal=true`)
    await eventually('the stock page runs it', async () => await ran(stock) === 1, 60_000)
    t.equal(await ran(stock), 1, 'the control: the same title runs there')
    await stock.close()
  })

  await t.test('a hostile title of another program\'s window is shown as text', async t => {
    const source = readFileSync('test/fixtures/titled-window.py', 'utf8')
    const env = Object.entries(displayEnv(facts)).map(([name, value]) => `${name}=${value}`)
    const program = start(['/usr/bin/env', ...env, '/usr/bin/python3', '-c', source, JSON.stringify(HOSTILE[0])])
    const buttons = () => page.evaluate('[...document.querySelectorAll("#windows button")].map(button => button.textContent)') as Promise<string[]>
    await eventually('the window is listed', async () => (await buttons()).includes(HOSTILE[0]!), 60_000)
    t.equal(await ran(page), undefined)
    t.equal(await page.evaluate('document.querySelectorAll("body img, body iframe, body svg").length'), 0, 'no element was made of it')
    program.kill('SIGKILL')
  })

  await t.test('a hostile notification, and packets that a hostile display makes up, run nothing', async t => {
    await devTools.send('Browser.grantPermissions', { permissions: ['notifications'], origin: 'https://hostile.test' })
    await tab.evaluate(`new Notification(${JSON.stringify(HOSTILE[0])}, { body: ${JSON.stringify(HOSTILE[3])} })`)
    const packets = HOSTILE.flatMap(text => [
      ['notify_show', 1, 1, text, 0, text, text, 1000, null, [], {}],
      ['new-window', 90, 0, 0, 200, 100, { title: text, role: text, 'window-type': [text], 'class-instance': [text, text], iconic: text }, {}],
      ['window-metadata', 90, { title: text, 'window-type': ['NORMAL'] }],
      ['window-icon', 90, 10, 10, text, text],
      ['open-url', 'javascript:globalThis.ran=7', 0],
      ['cursor', 'png', 0, 0, 1, 1, 0, 0, 0, text],
      ['draw', 90, 0, 0, 10, 10, text, text, 1, 40, {}],
      ['setting-change', 'xdg-menu', { [text]: { Name: text } }],
      ['send-file', text, 'text/html', true, false, 3, text, {}],
      ['lost-window', 90]
    ])
    await page.evaluate(`${JSON.stringify(packets)}.forEach(packet => { try { client._route_packet(packet) } catch {} })`)
    await page.evaluate('new Promise(resolve => setTimeout(resolve, 300))')
    t.equal(await ran(page), undefined)
    t.equal(await page.evaluate('document.querySelectorAll("body img, body iframe, body svg, body a, body script").length'), 0, 'no element was made of it')
  })

  await t.test('script in the page has no cookie, no storage, no eval, and no markup that runs', async t => {
    t.equal(await attempt(page, 'origin'), 'null', 'its origin is nobody\'s')
    for (const expression of ['document.cookie', 'document.cookie = "a=b"', 'localStorage.length', 'sessionStorage.length', 'navigator.serviceWorker.register("/x.js")', 'caches.keys()']) {
      t.match(await attempt(page, expression), /^(SecurityError|TypeError)$/, expression)
    }
    t.match(await attempt(page, 'new Promise((resolve, reject) => { const r = indexedDB.open("a"); r.onsuccess = () => resolve("opened"); r.onerror = () => reject(r.error) })'), /Error$/, 'indexedDB')
    for (const expression of ['eval("1")', 'new Function("return 1")()', 'setTimeout("globalThis.ran = 1")']) {
      await attempt(page, expression)
      t.notOk(await ran(page), expression)
    }
    t.equal(await attempt(page, 'eval("1")'), 'EvalError')
    t.equal(await attempt(page, 'new Function("return 1")()'), 'EvalError')
    await attempt(page, `document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(HOSTILE.join(''))})`)
    await attempt(page, 'document.body.append(Object.assign(document.createElement("script"), { textContent: "globalThis.ran = 8" }))')
    await attempt(page, 'document.body.append(Object.assign(document.createElement("script"), { src: "data:text/javascript,globalThis.ran = 9" }))')
    await attempt(page, 'new Promise(resolve => setTimeout(resolve, 300))')
    t.equal(await ran(page), undefined, 'markup and scripts that are put into the page do not run')
  })

  /** What a page could do with the API, and that none of it changed anything. */
  async function refusedAll (t: Test, page: Page): Promise<void> {
    const before = await state()
    const push = JSON.stringify({ sessionId: session.id, filePath: 'evil.js', content: 'evil' })
    const requests: [string, string][] = [
      [`${server.url}/sessions`, '{}'], [`${server.url}/sessions/${session.id}`, '{}'], [indexUrl, '{}'],
      [`${server.url}/createSession`, '{}'], [`${server.url}/sessions`, '{ method: "POST", body: "{}" }'],
      [`${server.url}/sessions/${session.id}/touch`, '{ method: "POST" }'], [`${server.url}/sessions/${session.id}/valid`, '{}'],
      [`${server.url}/session/${session.id}`, '{ method: "DELETE" }'], [`${server.url}/sessions/${session.id}`, '{ method: "DELETE" }'],
      [`${server.url}/updateCode`, `{ method: "POST", headers: { "content-type": "application/json" }, body: ${JSON.stringify(push)} }`],
      [`${server.url}/updateCode`, `{ method: "POST", mode: "no-cors", body: ${JSON.stringify(push)} }`],
      [`${server.url}/createSession`, '{ mode: "no-cors" }']
    ]
    for (const [url, options] of requests) {
      const answer = await attempt(page, `fetch(${JSON.stringify(url)}, ${options}).then(async response => (await response.text()) || "nothing")`)
      t.match(answer, /^(TypeError|nothing)$/, `${url.replace(server.url, '')} ${options.slice(0, 40)}`)
    }
    t.strictSame(await state(), before, 'nothing has changed')
  }

  await t.test('script in the page can neither use nor read the API', t => refusedAll(t, page))

  await t.test('a page of another site can neither use the API, read the ticket, open the socket nor frame the page', async t => {
    const foreign = createServer((_request, response) => response.end('<!doctype html><title>Foreign</title>')).listen(0, '127.0.0.1')
    t.teardown(() => { foreign.closeAllConnections(); foreign.close() })
    await once(foreign, 'listening')
    for (const host of ['127.0.0.1', 'localhost']) { // of the same site, and of another
      const other = await browser.newPage()
      await other.goto(`http://${host}:${(foreign.address() as AddressInfo).port}/`)
      await refusedAll(t, other)
      const socket = `new Promise(resolve => {
        const socket = new WebSocket("${session.url.replace('http', 'ws')}socket?ticket=${await readMeta(session, 'ticket')}", "binary")
        socket.onopen = () => resolve("open")
        socket.onerror = () => resolve("refused")
      })`
      t.equal(await attempt(other, socket), 'refused', `${host}: the socket`)
      await other.evaluate(`document.body.append(Object.assign(document.createElement("iframe"), { src: "${indexUrl}" }))`)
      const frame = await eventually('the frame', () => other.frames()[1])
      await frame.waitForLoadState()
      t.match(await frame.evaluate('location.href').catch(() => frame.url()), /^chrome-error:/, `${host}: the frame is empty`)
      await other.close()
    }
  })

  await t.test('every answer below /session/:id/ says what it may do', async t => {
    const index = await fetch(indexUrl)
    const policy = index.headers.get('content-security-policy')!
    for (const rule of [/^sandbox (?!.*allow-same-origin)allow-scripts/, /default-src 'none'/, /script-src 'nonce-[\w-]{22}'(;|$)/, /frame-ancestors 'self'(;|$)/]) t.match(policy, rule)
    t.notMatch(policy, /unsafe-|\*/, 'nothing is allowed wholesale')
    t.equal(index.headers.get('access-control-allow-origin'), null, 'no other origin reads the ticket')
    t.match(index.headers.get('cache-control'), /no-store/)
    const again = await fetch(indexUrl)
    t.not(again.headers.get('content-security-policy'), policy, 'each answer has its own nonce')
    for (const path of ['', 'index.html', 'state', 'favicon.ico', 'js/Client.js', 'no-such-file', 'connect.html']) {
      const { headers, status } = await fetch(session.url + path, { redirect: 'manual' })
      t.equal(headers.get('set-cookie'), null, `${path}: no cookie (${status})`)
      if (status === 302 || path === 'state') continue
      t.match(headers.get('content-security-policy'), /\bsandbox\b/, `${path}: sandboxed`)
      t.equal(headers.get('x-content-type-options'), 'nosniff', `${path}: not sniffed`)
    }
    const html = await index.text()
    for (const [, asset = ''] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      t.equal((await fetch(server.url + asset)).headers.get('content-security-policy'), "default-src 'none'; sandbox", asset)
    }
  })

  await t.test('when the server is stopped, and its sessions end with it, the page says so', async t => {
    const says = 'This session has ended: the server was stopped.'
    t.equal(await server.stop(), 0)
    await eventually('the page says it', async () => await statusOf(page) === says).catch(() => {})
    t.equal(await statusOf(page), says)
  })
})
