import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession } from '#support/servers/server.ts'
import { launchViewer, openDisplay } from '#support/display/viewer.ts'

const IDLE = 16
const WARNING = 7
const ANIMATED = `<!doctype html><title>Animated</title><style>
  @keyframes wander { to { transform: translateX(600px) rotate(360deg) } }
  div { width: 200px; height: 200px; background: linear-gradient(red, blue); animation: wander 1s infinite alternate }
</style><div></div>`

const hasBanner = (page: Page) => page.locator('#expiry').waitFor({ timeout: 2 * IDLE * 1000 })
const hasNone = (page: Page) => page.locator('#expiry').waitFor({ state: 'hidden', timeout: 10_000 })
const saysItsEnd = (page: Page) => page.getByText('This session has ended: nobody used it.').waitFor({ timeout: 2 * IDLE * 1000 })

t.test('a page that is only open does not keep its session, though it pings and plays an animation; typing does, and so does the banner\'s button', { timeout: 400_000 }, async t => {
  const server = await serve(t, { EX10_IDLE_TIMEOUT: String(IDLE), EX10_EXPIRY_WARNING: String(WARNING), EX10_CONNECT_TIMEOUT: '0' })
  const viewer = await launchViewer(t)
  const idle = await createSession(server)
  const tab = await (await openDevTools(t, server, idle)).firstTab()
  await tab.visit('http://page.test/', ANIMATED)
  const touching = setInterval(() => fetch(`${server.url}/sessions/${idle.id}/touch`, { method: 'POST' }).catch(() => {}), 2000) // until all is ready
  t.teardown(() => clearInterval(touching))
  const animated = await openDisplay(viewer, idle.url)
  const used = await createSession(server)
  const page = await openDisplay(viewer, used.url)
  const typing = setInterval(() => page.keyboard.press('a').catch(() => {}), 2000)
  t.teardown(() => clearInterval(typing))
  const isLeft = async () => (await listSessions(server)).map(({ id }) => id)

  clearInterval(touching)
  await animated.mouse.move(300, 300) // and there it rests, over what moves
  const startedAt = performance.now()
  await hasBanner(animated)
  t.match(await animated.innerText('#expiry'), /^This session ends in [567] s: nobody uses it\..*Keep the session$/s, 'the open page says that the session is about to end, when the warning is due')
  await saysItsEnd(animated)
  await hasNone(animated)
  t.pass('and then that it has ended')
  t.strictSame((await pastEvents(server, used.id)).filter(({ type }) => type === 'extended'), [], 'the one that is typed into was never about to')
  await delay(Math.max(0, startedAt + 2 * IDLE * 1000 - performance.now()))
  t.strictSame(await isLeft(), [used.id], 'it lives after twice the time')

  clearInterval(typing)
  await hasBanner(page)
  const failed = page.waitForEvent('requestfailed')
  await page.route('**/state?**', route => route.abort())
  await failed
  t.ok(await page.isVisible('#expiry'), 'while the server cannot be asked, what it said stays')
  await page.unroute('**/state?**')
  await page.click('#expiry button')
  await hasNone(page)
  t.match((await pastEvents(server, used.id)).slice(-2), [{ type: 'expiring' }, { type: 'extended' }], 'its button keeps the session')
  await hasBanner(page)
  t.strictSame(await isLeft(), [used.id], 'for all of the time again')
  await page.keyboard.press('a')
  await hasNone(page)
  t.equal(await page.evaluate('document.activeElement.id'), 'pasteboard', 'what is typed goes to the session as before')
  await saysItsEnd(page)

  const killed = await createSession(server)
  const open = await openDisplay(viewer, killed.url)
  t.equal((await fetch(`${server.url}/admin/sessions/${killed.id}`, { method: 'DELETE' })).status, 200)
  await open.getByText('This session has ended: an administrator ended it.').waitFor({ timeout: 30_000 })
  t.pass('of one that an admin ends, the page says so')

  const drained = await createSession(server)
  const using = setInterval(() => fetch(`${server.url}/sessions/${drained.id}/touch`, { method: 'POST' }).catch(() => {}), 2000)
  t.teardown(() => clearInterval(using))
  const last = await openDisplay(viewer, drained.url)
  t.equal((await fetch(`${server.url}/admin/drain`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ deadline: IDLE - 3 }) })).status, 200)
  await hasBanner(last)
  t.match(await last.innerText('#expiry'), /^This session ends in \d+ s: the server is taken out of service\.\s*$/, 'of a drain, the page tells the deadline, and has no button')
  await last.getByText('This session has ended: the server is taken out of service.').waitFor({ timeout: 30_000 })
  await assertEndsClean(t, server)
})
