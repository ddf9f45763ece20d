import { execFileSync } from 'node:child_process'
import t from 'tap'
import { openDevTools } from '#support/display/devtools.ts'
import { launchViewer, openDisplay, showsPicture } from '#support/display/viewer.ts'
import { inside } from '#support/sandbox.ts'
import { ask } from '#support/servers/client.ts'
import { serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession, eventually, pushCode } from '#support/servers/server.ts'

t.test('A person starts the programs of a session again, and goes on where they were', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const page = await openDisplay(await launchViewer(t), session.url)
  const restart = (what: string) => ask(server, `/sessions/${session.id}/restart`, { method: 'POST', body: { what } })
  const pids = () => Object.fromEntries(['xvfb', 'xpra', 'browser', 'dev-server'].map(name => [name, execFileSync('s6-svstat', ['-o', 'pid', `${own.dir}/services/${name}`], { encoding: 'utf8' }).trim()]))
  const changed = (before: Record<string, string>) => Object.entries(pids()).filter(([name, pid]) => pid !== before[name]).map(([name]) => name)

  await pushCode(server, { sessionId: session.id, filePath: 'notes.txt', content: 'mine' })

  await t.test('the display alone: the browser and its pages stay', async t => {
    const tab = await (await openDevTools(t, server, session)).firstTab()
    await tab.evaluate('window.kept = 1')
    const before = pids()
    await page.evaluate('window.isOld = true')
    const answer = await restart('display')
    t.match({ status: answer.status, body: answer.body }, { status: 200, body: { id: session.id, health: 'ok' } })
    t.strictSame(changed(before), ['xpra'])
    t.equal(await tab.evaluate('window.kept'), 1)
    await eventually('a page that was loaded anew', async () => await page.evaluate('window.isOld').catch(() => true) === undefined, 20_000)
    await showsPicture(page)
  })

  await t.test('the browser, whose tabs are there again, and whose extension is loaded when the answer comes', async t => {
    const before = pids()
    const start = `http://localhost:${own.facts.slot.devServerPort}/`
    const earlier = await openDevTools(t, server, session)
    for (const url of ['about:blank', `chrome-extension://${earlier.extensionId}/popup.html`, 'chrome://version/']) await earlier.openTab(url)
    t.equal((await restart('browser')).status, 200)
    t.strictSame(changed(before), ['browser'])
    const devTools = await openDevTools(t, server, session)
    const tabs = (await devTools.targets()).filter(({ type, url }) => type === 'page' && !url.endsWith('/strings.m.js')).map(({ url }) => url)
    t.strictSame(tabs.toSorted(), [start, 'about:blank', `chrome-extension://${devTools.extensionId}/popup.html`, 'chrome://version/'].toSorted())
    t.ok((await devTools.targets()).some(({ type, url }) => type === 'service_worker' && url.includes(devTools.extensionId)))
    await showsPicture(page)
  })

  await t.test('all programs: the files stay, and the page comes back by itself', async t => {
    const before = pids()
    const events = await pastEvents(server, session.id)
    t.match((await restart('all')).body, { health: 'ok', version: 1, problems: [] })
    t.strictSame(changed(before), ['xvfb', 'xpra', 'browser', 'dev-server'])
    t.equal((await own.run(['cat', `${own.facts.account.home}/extension/notes.txt`])).stdout, 'mine')
    t.strictSame((await pastEvents(server, session.id)).slice(events.length).filter(({ type }) => type === 'problem' || type === 'service-given-up'), [])
    await showsPicture(page)
  })
})
