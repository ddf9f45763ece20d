import t, { type Test } from 'tap'
import type { Problem } from '#schemas/problem.ts'
import { openDevTools, type DevTools, type Tab, type Target } from '#support/display/devtools.ts'
import { holds, toFolder, type Sources } from '#support/code/extension-cases.ts'
import { inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually } from '#support/servers/server.ts'
import { SessionExtension, type Waited } from '#support/code/session-extension.ts'
import { processesIn } from '#support/faults/victims.ts'

const SITE = 'http://site.test/'
const OTHER = 'https://worker.test/'
/** A content script that asks the worker, as early as it can, which one it is. */
const ASK = `chrome.runtime.sendMessage('who').then(
  who => { document.documentElement.dataset.worker = who },
  error => { document.documentElement.dataset.worker = error.message })`
const answering = (who: string) => `chrome.runtime.onMessage.addListener((message, sender, answer) => { answer('${who}') })\n`
const MANIFEST = {
  background: { service_worker: 'background.js' },
  options_page: 'options.html',
  content_scripts: [{ matches: ['http://site.test/*'], js: ['content.js'], run_at: 'document_start' }]
}

function wellLoaded (t: Test, { loaded, problems }: Waited): void {
  t.equal(loaded, true, 'the push answers that it runs')
  t.strictSame(problems, [], 'without a problem')
}

/** Has DevTools answer for a site whose page registers a service worker of its own. */
async function serveSiteWithWorker (devTools: DevTools): Promise<void> {
  devTools.listen(({ method, params, sessionId }) => {
    if (method !== 'Fetch.requestPaused' || sessionId !== undefined) return
    const { requestId, request } = params as { requestId: string, request: { url: string } }
    const isScript = request.url.endsWith('.js')
    devTools.send('Fetch.fulfillRequest', {
      requestId,
      responseCode: 200,
      responseHeaders: [{ name: 'content-type', value: isScript ? 'text/javascript' : 'text/html' }],
      body: btoa(isScript ? 'addEventListener("fetch", () => {})' : '<title>Other</title>')
    }).catch(() => {}) // the page was left meanwhile
  })
  await devTools.send('Fetch.enable', { patterns: [{ urlPattern: `${OTHER}*` }] })
}

t.test('The worker that was pushed last', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const extension = await SessionExtension.of(t, server, session)
  const { devTools } = extension
  const site = await devTools.openTab()
  await site.visit(SITE, '<!doctype html><title>Site</title><p>text')

  const push = (files: Record<string, string>, manifest: Sources['manifest'] = {}) => extension.replace(toFolder({
    manifest: { ...MANIFEST, ...manifest }, files: { 'content.js': ASK, 'options.html': '<!doctype html><title>Options</title>', ...files }
  }))
  const answers = (who: string) => eventually(`the worker ${who}`, async () => await site.evaluate('document.documentElement.dataset.worker') === who)
  const workers = async (): Promise<Target[]> => (await devTools.targets()).filter(({ type, url }) => type === 'service_worker' && url.startsWith('chrome-extension:'))
  const openOptions = async (): Promise<Tab> => {
    const tab = await devTools.openTab(`chrome-extension://${devTools.extensionId}/options.html`)
    await eventually('the options page', () => tab.evaluate('document.title === "Options"'))
    return tab
  }
  const closeOptions = async () => {
    for (const { targetId, url } of await devTools.targets()) if (url.endsWith('/options.html')) await devTools.send('Target.closeTarget', { targetId })
  }

  await t.test('answers when the one before was asleep', async t => {
    wellLoaded(t, await push({ 'background.js': answering('first') }))
    await answers('first')
    const options = await openOptions()
    await options.send('ServiceWorker.enable')
    await options.send('ServiceWorker.stopAllWorkers')
    await eventually('no worker', async () => (await workers()).length === 0)
    await closeOptions()
    wellLoaded(t, await push({ 'background.js': answering('after sleep') }))
    await answers('after sleep')
  })

  await t.test('answers when an options page is open', async t => {
    const options = await openOptions()
    wellLoaded(t, await push({ 'background.js': answering('with options') }))
    await answers('with options')
    const [open] = await eventually('the page', async () => (await devTools.targets()).filter(({ url }) => url.endsWith('/options.html')))
    t.equal(open?.targetId, options.targetId, 'the page is open again in its tab')
    const again = await devTools.attach(options.targetId)
    await eventually('its answer', async () => await again.evaluate('chrome.runtime.sendMessage("who")') === 'with options')
    await closeOptions()
  })

  await t.test('answers when a page of the web registers a worker of its own meanwhile', async t => {
    await serveSiteWithWorker(devTools)
    const other = await devTools.openTab(OTHER)
    await eventually('the page', () => other.evaluate('document.title === "Other"'))
    const [answer, scope] = await Promise.all([
      push({ 'background.js': answering('beside another') }),
      other.evaluate('navigator.serviceWorker.register("/own.js").then(() => navigator.serviceWorker.ready).then(({ scope }) => scope)')
    ])
    t.equal(scope, OTHER, 'the other worker is there')
    wellLoaded(t, answer)
    await answers('beside another')
    await devTools.send('Target.closeTarget', { targetId: other.targetId })
  })

  await t.test('answers when DevTools inspects the one before', async t => {
    const [before] = await workers()
    const inspected = await devTools.attach(before?.targetId ?? '')
    await inspected.send('Runtime.enable')
    wellLoaded(t, await push({ 'background.js': answering('uninspected') }))
    await answers('uninspected')
  })

  const wrong: [string, string, object, Partial<Problem>][] = [
    ['throws', '\n\nthrow new Error(\'boom-42\')', {}, { kind: 'uncaught-exception', message: 'Uncaught Error: boom-42', file: 'background.js', line: 3, context: 'worker' }],
    ['calls what is not there', 'const name = 1\nchrome.nope.x()', {}, { kind: 'uncaught-exception', file: 'background.js', line: 2, context: 'worker' }],
    ['has a syntax error', 'const a = 1\n\nconst = 2', {}, { kind: 'syntax-error', file: 'background.js', line: 3, context: 'worker' }],
    ['waits at its top for ever', 'await new Promise(() => {})', { background: { service_worker: 'background.js', type: 'module' } }, { context: 'worker' }],
    ['imports a script that is missing', 'importScripts(\'gone.js\')', {}, { kind: 'uncaught-exception', file: 'background.js', line: 1, context: 'worker' }]
  ]
  for (const [what, source, manifest, expected] of wrong) {
    await t.test(`is not taken for started when it ${what}: the answer says where, and the next push heals it`, async t => {
      const { loaded, problems } = await push({ 'background.js': source }, manifest as Sources['manifest'])
      t.equal(loaded, false, 'the push answers that it does not run')
      t.ok(problems.some(problem => holds(problem, expected)), JSON.stringify(problems), { wanted: expected })
      t.strictSame((await extension.problems()).filter(problem => holds(problem, expected)).length, 1, 'the session says so too')
      wellLoaded(t, await push({ 'background.js': answering(`not one that ${what}`) }))
      t.strictSame(await extension.problems(), [], 'nothing is wrong any more')
      await answers(`not one that ${what}`)
    })
  }

  await t.test('is told of an update, once of the installation, and finds what was kept; what it stored outlives a crash of the browser', async t => {
    const permissions = ['storage', 'declarativeNetRequest', 'tabs']
    const noting = (version: number) => `${answering(`kept ${version}`)}
chrome.runtime.onInstalled.addListener(async ({ reason }) => {
  const { reasons = [] } = await chrome.storage.local.get('reasons')
  await chrome.storage.local.set({ reasons: [...reasons, reason] })
  if (reason !== 'install') return
  await chrome.declarativeNetRequest.updateDynamicRules({ removeRuleIds: [7], addRules: [{ id: 7, action: { type: 'block' }, condition: { urlFilter: '||site.test/blocked' } }] })
  await chrome.tabs.create({ url: 'welcome.html' })
})
const kept = async () => ({ ...await chrome.storage.local.get('reasons'), rules: (await chrome.declarativeNetRequest.getDynamicRules()).map(({ id }) => id) })`
    // another key makes another extension, which is installed
    const key = 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqLqP4Hbj/GjoEM30vk0H+eqXnAdA7QwMf8pKMi5L4MPYNfiwdFgASVZZWsJEmumtkVs4hvEup6nTR2t44214eH8uiIlQcEqsk6FtCLnaMHKMQx0ot4kDviLbilK2sdVVROXgYOVWUzb+x4T491C3jvLMTMRD7/hqNgWx8/QsLstAHyNYsMeMpxpR7eI4Y16O+prJs44RMVRP0VcXWeUACS/JuGbKNkyBh4pfRQpzfY+E03zboMfOn4VMAey32bPo24U+FgseyxV7bOnIOJIcBXrlOzHEtALnBX/bTVeYs/a5ila3uc5nIhPd7XmuDixyR/FRWKbP/Pk109VCdchsHwIDAQAB'
    const version = (n: number) => push({ 'background.js': noting(n), 'welcome.html': '<!doctype html><title>Welcome</title>' }, { permissions, key })
    const kept = async (devTools: DevTools) => {
      const [worker] = (await devTools.targets()).filter(({ type, url }) => type === 'service_worker' && url.startsWith('chrome-extension:'))
      if (!worker) return undefined
      const tab = await devTools.attach(worker.targetId)
      const found = await tab.evaluate('kept()').catch(() => undefined) // it has not started yet, or ends
      await devTools.send('Target.detachFromTarget', { sessionId: tab.sessionId })
      return found as { reasons?: string[], rules: number[] } | undefined
    }
    const toldOf = (devTools: DevTools, count: number) => eventually(`${count} events`, async () => {
      const found = await kept(devTools)
      return found && (found.reasons?.length ?? 0) >= count ? found : undefined
    })
    for (let n = 1; n <= 3; n++) {
      wellLoaded(t, await version(n))
      t.strictSame(await toldOf(devTools, n), { reasons: ['install', ...Array(n - 1).fill('update')], rules: [7] })
    }
    t.equal((await devTools.targets()).filter(({ url }) => url.endsWith('/welcome.html')).length, 1, 'it welcomed the person once')

    const { groups } = await inside(t, server, session)
    const browser = processesIn(groups).find(({ command }) => command.includes('--user-data-dir=') && !command.includes('--type='))
    process.kill(browser?.pid ?? NaN, 'SIGKILL')
    const again = await eventually('a new browser', () => openDevTools(t, server, session).catch(() => undefined), 30_000)
    wellLoaded(t, await version(4))
    const { reasons = [] } = await toldOf(again, 4) // rules that are younger than some seconds are lost when Chromium is killed
    t.strictSame(reasons.slice(0, 3), ['install', 'update', 'update'], 'what was stored is there')
    t.match(reasons[3], /^(install|update)$/, 'Chromium knows the extension again if it had written that down before it was killed')
  })
})
