import { setTimeout as delay } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { openDevTools } from '#support/display/devtools.ts'
import { pastEvents } from '#support/servers/events.ts'
import { ask } from '#support/servers/client.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession } from '#support/servers/server.ts'
import { readMeta, readPageMeta } from '#support/display/socket-display.ts'
import { launchViewer, openDisplay } from '#support/display/viewer.ts'

const MANIFEST = { manifest_version: 3, name: 'Case', version: '1.0', background: { service_worker: 'background.js' } }
const HOSTILE = '<img src=x onerror=globalThis.ran=1>'
const HEALTHY = { 'background.js': '// all is well\n', 'manifest.json': JSON.stringify(MANIFEST) }
/** Throws in its third line. */
const throwing = (message: string) => ({ 'background.js': `\n\nthrow new Error(${JSON.stringify(message)})\n` })
/** Chromium passes over what it does not know. */
const warned = (permission: string) => ({ 'manifest.json': JSON.stringify({ ...MANIFEST, permissions: [permission] }) })

const bar = (page: Page) => page.locator('#problems')
const isShown = (page: Page) => bar(page).waitFor({ timeout: 10_000 })
const isGone = (page: Page) => bar(page).waitFor({ state: 'hidden', timeout: 10_000 })
const hasFocus = (page: Page) => page.evaluate('document.activeElement.id || document.activeElement.ariaLabel')

t.test('What is wrong with the extension is said over its picture, and on the home page', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const push = async (files: Record<string, string>) => {
    const answer = await pushCode(server, { sessionId: session.id, wait: true, files: Object.entries(files).map(([filePath, content]) => ({ filePath, content })) })
    if (!answer.ok) throw new Error(await answer.text())
    return await answer.json() as { problems: { file?: string, line?: number, message: string }[] }
  }
  await push(HEALTHY)
  const tab = await (await openDevTools(t, server, session)).firstTab()
  await tab.visit('http://page.test/', '<!doctype html><title>A page</title><input autofocus>')
  const browser = await launchViewer(t)
  const page = await openDisplay(browser, session.url)
  const home = await browser.newPage()
  await home.goto(server.url)
  const typed = () => tab.evaluate('document.querySelector("input").value')

  await t.test('a push that breaks it shows a bar, with file and line; the picture keeps the keyboard', async t => {
    t.notOk(await bar(page).isVisible(), 'there is none while all is well')
    await page.evaluate('new MutationObserver(() => { globalThis.shownAt ??= Date.now() }).observe(document.getElementById(\'problems\'), { attributeFilter: [\'hidden\'] })')
    const { problems } = await push(throwing('first'))
    t.match(problems, [{ file: 'background.js', line: 3, message: /first/ }])
    await isShown(page)
    t.match(await page.innerText('#problems [role=alert]'), /^background\.js:3\s*Uncaught Error: first/, 'it says what, and where')
    const told = (await pastEvents(server, session.id)).findLast(event => event.type === 'problem')!
    const shownAt = await page.evaluate('globalThis.shownAt') as number
    t.comment(`shown ${shownAt - Date.parse(told.at)} ms after the event`)
    t.equal(await hasFocus(page), 'pasteboard')
    await page.keyboard.type('ab')
    await eventually('the keys in the picture', async () => await typed() === 'ab')
  })

  await t.test('it is closed by a click that leaves the keyboard with the picture; another problem brings it back', async t => {
    await page.click('#problems button[aria-label=Close]')
    await isGone(page)
    t.equal(await hasFocus(page), 'pasteboard')
    await page.keyboard.type('c')
    await eventually('the key in the picture', async () => await typed() === 'abc')
    await push(throwing(HOSTILE))
    await isShown(page)
    t.ok((await page.innerText('#problems [role=alert]')).includes(HOSTILE), 'its text is text')
    t.equal(await page.locator('#problems img').count(), 0)
    t.equal(await page.evaluate('globalThis.ran'), undefined)
  })

  await t.test('of several, the first error is shown, and the others on a click; without a mouse, Ctrl+F6 leads there and Escape back', async t => {
    await push(warned('no-such-permission'))
    await page.getByText('and 1 more').click()
    t.match(await page.innerText('#other-problems'), /manifest\.json.*no-such-permission/s)
    t.equal(await hasFocus(page), 'pasteboard')
    await page.keyboard.press('Control+F6')
    t.equal(await hasFocus(page), 'Close')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    t.notOk(await page.isVisible('#other-problems'), 'its buttons take keys')
    await page.keyboard.press('Escape')
    t.equal(await hasFocus(page), 'pasteboard')
    t.equal(await typed(), 'abc', 'which the session does not get')
    await page.keyboard.type('d')
    await eventually('the key in the picture', async () => await typed() === 'abcd')
  })

  await t.test('closed, it stays so when some of the problems are healed, until there is a new one', async t => {
    await page.click('#problems button[aria-label=Close]')
    await push({ 'manifest.json': HEALTHY['manifest.json'] })
    await delay(1500) // it would have been shown
    t.notOk(await bar(page).isVisible())
    await push(warned('no-other-permission'))
    await isShown(page)
  })

  await t.test('a warning is said less loudly', async t => {
    await push({ 'background.js': HEALTHY['background.js'] })
    await page.locator('#problems[data-look=warning]').waitFor({ timeout: 10_000 })
    t.match(await page.innerText('#problems [role=status]'), /no-other-permission/)
    t.equal(await page.textContent('#problems [role=alert]'), '')
  })

  await t.test('the home page names the problem of each session, and forgets it when it is healed', async t => {
    await push(throwing('second'))
    await home.evaluate('dispatchEvent(new Event("focus"))') // as when the person comes back to it
    await home.getByText('background.js:3 Uncaught Error: second (and 1 more)').waitFor({ timeout: 10_000 })
    await push(HEALTHY)
    await isGone(page)
    t.pass('the push that heals it removes the bar')
    await home.evaluate('dispatchEvent(new Event("focus"))')
    await home.getByText('background.js').waitFor({ state: 'detached', timeout: 10_000 })
  })

  await t.test('who only looks is told nothing of it', async t => {
    const { body: link } = await ask(server, `/sessions/${session.id}/shares`, { method: 'POST', body: { mode: 'view' } })
    t.match(await ask(server, problemsOf(session, await readPageMeta(link.url, 'token'))), { status: 403, body: { code: 'EX10_FORBIDDEN' } })
    t.match(await ask(server, problemsOf(session, 'x')), { status: 404 }, 'nor who has no token')
  })

  await t.test('a page that waits hears at once that the session has ended', async t => {
    const token = await readMeta(session, 'token')
    const { body: { tag } } = await ask(server, problemsOf(session, token))
    const waiting = ask(server, `${problemsOf(session, token)}&known=${tag}`)
    await endSession(server, session.id)
    t.match(await waiting, { status: 404 })
  })
})

const problemsOf = ({ id }: CreatedSession, token: string) => `/session/${id}/problems?token=${token}`
