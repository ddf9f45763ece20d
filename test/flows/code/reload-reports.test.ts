import t, { type Test } from 'tap'
import type { DevTools, Tab, Target } from '#support/display/devtools.ts'
import { toFolder } from '#support/code/extension-cases.ts'
import { nextEvent, pastEvents } from '#support/servers/events.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'
import { SessionExtension, type Waited } from '#support/code/session-extension.ts'

const A = 'http://a.test/'
const B = 'http://b.test/'
/** A page with a form, and long enough to scroll. */
const LONG_PAGE = '<!doctype html><title>Page</title><input><div style="height: 5000px"></div>'
const ON_A = { content_scripts: [{ matches: ['http://a.test/*'], js: ['content.js'] }] }
const say = (said: string) => `document.documentElement.dataset.said = '${said}'`

interface Bench { server: Server, session: CreatedSession, extension: SessionExtension, devTools: DevTools, a: Tab, b: Tab }

const said = (tab: Tab) => tab.evaluate('document.documentElement.dataset.said')

/** The extension's own pages that are open, without its id. */
async function ownPages ({ devTools }: Bench, type = 'page'): Promise<Target[]> {
  return (await devTools.targets()).filter(target => target.type === type && target.url.startsWith('chrome-extension:'))
}

async function openOwn ({ devTools }: Bench, page: string, params: object = {}): Promise<Tab> {
  const { targetId } = await devTools.send('Target.createTarget', { url: `chrome-extension://${devTools.extensionId}/${page}`, ...params })
  const tab = await devTools.attach(String(targetId))
  await eventually(page, () => tab.evaluate('location.protocol === "chrome-extension:" && document.readyState === "complete"'))
  return tab
}

/** A page of the extension with a script that says something in its title. */
const titled = (name: string, title: string) => ({
  [`${name}.html`]: `<!doctype html><title>${name}</title><p>${name}</p><script src="${name}.js"></script>`,
  [`${name}.js`]: `document.title = '${title}'`
})

function wellLoaded (t: Test, { loaded, problems }: Waited): void {
  t.equal(loaded, true, 'the push answers that it runs')
  t.strictSame(problems, [], 'without a problem')
}

t.test('What is open when a person pushes', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const extension = await SessionExtension.of(t, server, session)
  const { devTools } = extension
  const [a, b] = [await devTools.openTab(), await devTools.openTab()]
  await a.visit(A, LONG_PAGE)
  await b.visit(B, LONG_PAGE)
  const bench = { server, session, extension, devTools, a, b }
  const push = (manifest: Record<string, unknown>, files: Record<string, string>) => extension.replace(toFolder({ manifest, files } as Parameters<typeof toFolder>[0]))

  await t.test('a tab that the extension does not concern keeps its form and its place; the one that it concerns keeps its place', async t => {
    await push(ON_A, { 'content.js': say('first') })
    await eventually('the first', async () => await said(a) === 'first')
    for (const tab of [a, b]) await tab.evaluate('scrollTo(0, 1234), document.querySelector("input").value = "typed", 0')
    const before = await pastEvents(server, session.id)
    const answer = await extension.change({ 'content.js': say('second') })
    wellLoaded(t, answer)
    await eventually('the second', async () => await said(a) === 'second')
    t.strictSame(await b.evaluate('[document.querySelector("input").value, scrollY]'), ['typed', 1234], 'the other tab is as it was')
    await eventually('its place', async () => await a.evaluate('scrollY') === 1234)
    const reloaded = await nextEvent(server, session.id, { type: 'reloaded' }, before)
    t.match(reloaded, { version: answer.version, tabs: 1 }, 'an event tells how many tabs were reloaded')
    t.ok(Number(reloaded.ms) < 5000, `and how long it took: ${reloaded.ms} ms`)
  })

  await t.test('each of five versions of a content script is seen, and none when its entry is removed', async t => {
    for (const version of ['1', '2', '3', '4', '5']) await push(ON_A, { 'content.js': `document.documentElement.dataset.said = (document.documentElement.dataset.said ?? '') + '${version}'` })
    await eventually('the newest, and it alone', async () => await said(a) === '5')
    wellLoaded(t, await push({}, {}))
    await eventually('a page without it', async () => await a.evaluate('document.readyState === "complete" && !("said" in document.documentElement.dataset)'))
    await a.send('Page.reload')
    t.equal(await said(a), undefined, 'nor after a reload')
  })

  await t.test('the page in the place of the new tab shows what was pushed', async t => {
    const manifest = { chrome_url_overrides: { newtab: 'tab.html' } }
    await push(manifest, titled('tab', 'first'))
    const tab = await devTools.openTab('chrome://newtab/')
    await eventually('the first', async () => await tab.evaluate('document.title') === 'first')
    wellLoaded(t, await push(manifest, titled('tab', 'second')))
    const shown = async () => (await devTools.targets()).filter(({ type, url }) => type === 'page' && /^chrome:..newtab.$|tab.html$/.test(url))
    await eventually('the second', async () => (await shown()).map(({ title }) => title).join() === 'second')
    wellLoaded(t, await push({ ...manifest, description: 'changed' }, titled('tab', 'third')))
    await eventually('the third', async () => (await shown()).map(({ title }) => title).join() === 'third')
    for (const { targetId } of await shown()) await devTools.send('Target.closeTarget', { targetId })
  })

  await t.test('an options page is open again at the same address, place and window', async t => {
    const manifest = { options_page: 'options.html' }
    await push(manifest, titled('options', 'first'))
    const page = await openOwn(bench, 'options.html#part', { newWindow: true, left: 40, top: 60, width: 700, height: 500 })
    const windowOf = async (targetId: string) => await devTools.send('Browser.getWindowForTarget', { targetId })
    const before = await windowOf(page.targetId)
    await page.evaluate('history.pushState("", "", "?q=1#part"), 0')
    for (const [title, changed] of [['second', manifest], ['third', { ...manifest, description: 'changed' }]] as const) {
      wellLoaded(t, await push(changed, titled('options', title)))
      const open = await eventually('the page', async () => (await ownPages(bench)).find(target => target.title === title))
      t.equal(open.url, `chrome-extension://${devTools.extensionId}/options.html?q=1#part`, 'at its address')
      t.strictSame(await windowOf(open.targetId), before, 'in its window, which is where it was')
      t.equal((await ownPages(bench)).length, 1, 'once')
    }
    for (const { targetId } of await ownPages(bench)) await devTools.send('Target.closeTarget', { targetId })
  })

  await t.test('a side panel shows what was pushed, or the answer says that it was closed', async t => {
    const manifest = { permissions: ['sidePanel'], side_panel: { default_path: 'panel.html' }, background: { service_worker: 'background.js' }, action: {} }
    const behaviour = (said: string) => `chrome.sidePanel.setPanelBehavior({ openPanelOnActionClick: true })\nself.said = '${said}'`
    await push(manifest, { ...titled('panel', 'first'), 'background.js': behaviour('1') })
    const { targetInfos } = await devTools.send('Target.getTargets', { filter: [{ type: 'tab' }] }) as { targetInfos: Target[] }
    await devTools.send('Target.activateTarget', { targetId: b.targetId })
    await devTools.send('Extensions.triggerAction', { id: devTools.extensionId, targetId: targetInfos.find(({ url }) => url === B)?.targetId })
    const panel = async (title: string) => (await ownPages(bench)).some(target => target.url.endsWith('/panel.html') && target.title === title)
    await eventually('the panel', () => panel('first'))
    wellLoaded(t, await push(manifest, { ...titled('panel', 'second'), 'background.js': behaviour('1') }))
    await eventually('the second', () => panel('second'))
    const before = await pastEvents(server, session.id)
    await push(manifest, { ...titled('panel', 'third'), 'background.js': behaviour('2') })
    const { closed } = await nextEvent(server, session.id, { type: 'reloaded' }, before)
    if (closed) t.strictSame(closed, ['the side panel'], 'it is said')
    else t.ok(await eventually('the third', () => panel('third')), 'it is open again')
    t.comment(closed ? 'the side panel was closed' : 'the side panel is open again')
    for (const { targetId } of await ownPages(bench)) await devTools.send('Target.closeTarget', { targetId })
  })

  await t.test('a page that is opened at the moment of a push has the content script that was pushed', async t => {
    await push(ON_A, { 'content.js': say('0') })
    for (let n = 1; n <= 10; n++) {
      const tab = await devTools.openTab()
      const visited = tab.visit(`${A}late`, LONG_PAGE)
      const pushed = extension.change({ 'content.js': say(String(n)) })
      await visited
      wellLoaded(t, await pushed)
      t.ok(await eventually(`push ${n}`, async () => await said(tab) === String(n), 5000))
      await devTools.send('Target.closeTarget', { targetId: tab.targetId })
    }
  })

  await t.test('a page whose server answers only after a push opens all the same, and has what was pushed', async t => {
    const tab = await devTools.openTab()
    await tab.visit(`${A}first`, LONG_PAGE)
    const { promise: held, resolve: answer } = Promise.withResolvers<void>()
    const isAsked = Promise.withResolvers<void>()
    devTools.listen(({ method, params }) => { if (method === 'Fetch.requestPaused' && JSON.stringify(params).includes(`${A}slow`)) isAsked.resolve() })
    const visited = tab.visit(`${A}slow`, LONG_PAGE, held)
    await isAsked.promise
    wellLoaded(t, await extension.change({ 'content.js': say('slow') }))
    answer()
    await visited
    t.ok(await eventually('the push', async () => await said(tab) === 'slow', 5000))
    await devTools.send('Target.closeTarget', { targetId: tab.targetId })
  })

  await t.test('a tab with a dialog and one that is busy for ever do not keep the others waiting', async t => {
    await push({ content_scripts: [{ matches: ['http://a.test/*', 'http://busy.test/*'], js: ['content.js'] }] }, { 'content.js': say('first') })
    await eventually('the first', async () => await said(a) === 'first')
    const [dialog, busy] = [await devTools.openTab(), await devTools.openTab()]
    await dialog.visit(`${A}dialog`, LONG_PAGE)
    await busy.visit('http://busy.test/', LONG_PAGE)
    dialog.evaluate('alert("wait")').catch(() => {}) // it is answered when the tab is reloaded
    await busy.send('Runtime.evaluate', { expression: 'setTimeout(() => { for (;;); }, 0), 0' })
    const startedAt = performance.now()
    const pushed = extension.change({ 'content.js': say('second') })
    await eventually('the second', async () => await said(a) === 'second')
    const seenMs = Math.round(performance.now() - startedAt)
    t.ok(seenMs < 1500, `seen after ${seenMs} ms`)
    const answer = await pushed
    wellLoaded(t, answer)
    t.comment(`reload ${answer.reloadMs} ms, answered after ${Math.round(performance.now() - startedAt)} ms`)
    await eventually('the tab with the dialog', async () => await said(dialog) === 'second')
    for (const { targetId } of [dialog, busy]) await devTools.send('Target.closeTarget', { targetId })
  })

  await t.test('the last window is not closed with the extension', async t => {
    const manifest = { options_page: 'options.html' }
    await push(manifest, titled('options', 'first'))
    await openOwn(bench, 'options.html')
    const others = async () => (await devTools.targets()).filter(({ type, url }) => type === 'page' && /^(http|about)/.test(url))
    for (const { targetId } of await others()) await devTools.send('Target.closeTarget', { targetId }).catch(() => {}) // it is closing
    await eventually('no other tab', async () => (await others()).length === 0)
    const pid = await devTools.browserPid()
    wellLoaded(t, await push({ ...manifest, description: 'changed' }, titled('options', 'second')))
    await eventually('the page', async () => (await ownPages(bench)).some(({ title }) => title === 'second'))
    t.equal(await devTools.browserPid(), pid, 'in the same browser')
  })
})
