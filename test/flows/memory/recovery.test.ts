import { cpSync, globSync } from 'node:fs'
import { basename } from 'node:path'
import t, { type Test } from 'tap'
import { openDevTools } from '#support/display/devtools.ts'
import { launchViewer, openDisplay, showsPicture } from '#support/display/viewer.ts'
import { inside } from '#support/sandbox.ts'
import { ask } from '#support/servers/client.ts'
import { next, serve } from '#support/servers/creation.ts'
import { nextEvent, pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, pushCode, testEnv, type CreatedSession, type Server } from '#support/servers/server.ts'

const WORKER = 'self.token = "pushed"\n'
const ITEMS = { notes: ['one', { two: 'é' }], long: 'x'.repeat(600_000) }

/** Makes changes of every kind that a session brings back. Resolves when a recovery point holds all of them. */
async function work (t: Test, server: Server): Promise<CreatedSession> {
  const session = await createSession(server)
  await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: WORKER })
  const devTools = await openDevTools(t, server, session)
  await nextEvent(server, session.id, { type: 'confirmed', version: 1 })
  const { facts } = await inside(t, server, session)
  const options = await devTools.openTab(`chrome-extension://${devTools.extensionId}/options.html`)
  await eventually('its storage', async () => await options.evaluate('Boolean(globalThis.chrome?.storage)') === true)
  await options.evaluate(`chrome.storage.local.set(${JSON.stringify(ITEMS)})`)
  const active = await devTools.openTab(`http://localhost:${facts.slot.devServerPort}/?mine`)
  await devTools.send('Target.activateTarget', { targetId: active.targetId })
  await eventually('its page', async () => await active.evaluate('document.readyState') === 'complete')
  const kept = (part: string) => globSync(`${server.dataDir}/blobs/${session.id}.snapshot/${part}-*`)
  const before = kept('state')
  await ask(server, `/sessions/${session.id}/state/ui_state/layout`, { method: 'PUT', body: { wide: true } })
  await eventually('a recovery point with all of it', () => {
    const now = kept('state') // the earlier one goes when the point is there
    return kept('storage').length > 0 && now.length === 1 && !before.includes(now[0]!)
  }, 30_000)
  return session
}

/** What the new session's browser shows and keeps must be what the earlier one did. */
async function isBack (t: Test, server: Server, id: string, from: string): Promise<void> {
  const session = { id, url: `${server.url}/session/${id}/`, lines: [] }
  const { facts } = await inside(t, server, session)
  const devTools = await openDevTools(t, server, session)
  const tabs = async () => ((await devTools.send('Target.getTargets', { filter: [{ type: 'tab' }] })).targetInfos as { url: string, embedderData?: { tabStripIndex: number, tabActive: boolean } }[])
    .filter(({ embedderData }) => embedderData).toSorted((a, b) => a.embedderData!.tabStripIndex - b.embedderData!.tabStripIndex)
    .map(({ url, embedderData }) => `${url}${embedderData!.tabActive ? ' active' : ''}`)
  const start = `http://localhost:${facts.slot.devServerPort}/`
  t.strictSame(await tabs(), [start, `chrome-extension://${devTools.extensionId}/options.html`, `${start}?mine active`], 'the tabs, in their order')
  // a page may have woken another worker meanwhile
  const worker = await eventually('a worker that runs the pushed code', async () => {
    const found = (await devTools.targets()).find(({ type, url }) => type === 'service_worker' && url.includes(devTools.extensionId))
    const worker = found && await devTools.attach(found.targetId)
    return await worker?.evaluate('self.token') === 'pushed' ? worker : undefined
  })
  t.match(await worker.evaluate('chrome.storage.local.get()'), ITEMS, 'the extension finds its storage')
  t.strictSame((await ask(server, `/sessions/${id}/state/ui_state/layout`)).body, { wide: true }, 'the state')
  t.match((await ask(server, `/sessions/${id}`)).body, { recoveredFrom: from, recoveredAt: /^20.*Z$/ })
  t.match((await pastEvents(server, id))[0], { type: 'ready', recoveredFrom: from, recoveredAt: /^20.*Z$/ })
}

async function tokenOf (server: Server, id: string): Promise<string> {
  return (await ask(server, `/recoverable/${id}/token`, { method: 'POST' })).body.token
}

const recover = (server: Server, token: string, headers = {}) => ask(server, '/recover', { method: 'POST', body: { token }, headers: { accept: 'application/json', ...headers } })
const listed = async (server: Server) => (await ask(server, '/recoverable')).body.sessions as { sessionId: string, reason: string }[]

t.test('A person brings back what has ended without them', async t => {
  const server = await serve(t, { EX10_RECOVERY_INTERVAL: '2' })
  const session = await work(t, server)
  const viewer = await launchViewer(t)
  const page = await openDisplay(viewer, session.url)
  const lost = testEnv({ EX10_RECOVERY_INTERVAL: '2' })

  await t.test('after the sandbox was killed: by the button of the page that says so', async t => {
    for (const file of globSync(`${server.dataDir}/{records.db*,blobs,master-keys}`)) cpSync(file, `${lost.EX10_DATA_DIR}/${basename(file)}`, { recursive: true })
    process.kill((await inside(t, server, session)).init, 'SIGKILL')
    await page.getByText('This session has ended: it crashed.').waitFor({ timeout: 20_000 })
    t.match(await eventually('the list', () => listed(server).then(list => list.length > 0 && list)), [{ sessionId: session.id, reason: 'crashed' }])
    await page.getByText('Bring the session back').click({ timeout: 20_000 })
    await page.waitForURL(url => /\/session\/[0-9a-f]{32}\//.test(url.pathname) && !url.pathname.includes(session.id), { timeout: 30_000 })
    await showsPicture(page)
    await isBack(t, server, /session\/([0-9a-f]{32})/.exec(page.url())![1]!, session.id)
    t.strictSame(await listed(server), [], 'nothing is left to bring back')
  })

  await t.test('after the server\'s data was lost: by another server with the records, the blobs and the keys', async t => {
    const other = await next(t, { env: lost })
    await eventually('the lease of the lost server ends', async () => (await listed(other)).some(({ sessionId }) => sessionId === session.id), 40_000)
    const answer = await recover(other, await tokenOf(other, session.id))
    t.match({ status: answer.status, from: answer.body.recoveredFrom }, { status: 201, from: session.id })
    await isBack(t, other, answer.body.sessionId, session.id)
  })

  await t.test('once, and only its user: of two requests at once one wins, and what was deleted is gone', async t => {
    const own = await createSession(server)
    process.kill((await inside(t, server, own)).init, 'SIGKILL')
    await eventually('its point', async () => (await listed(server)).length > 0)
    const token = await tokenOf(server, own.id)
    const answers = await Promise.all([recover(server, token), recover(server, token)])
    t.strictSame(answers.map(({ status }) => status).toSorted().map(status => status === 201 ? 'back' : 'refused'), ['back', 'refused'])
    t.match((await recover(server, token)).body, { code: 'EX10_NOTHING_TO_RECOVER' })
    const back = answers.find(({ status }) => status === 201)!.body.sessionId
    await nextEvent(server, back, { type: 'ready' })
    await endSession(server, back)
    t.strictSame(await listed(server), [])
    t.strictSame(globSync(`${server.dataDir}/blobs/${back}*`), [], 'nothing of it is left')
  })

  await t.test('a token whose creation fails is valid again', async t => {
    const own = await createSession(server)
    process.kill((await inside(t, server, own)).init, 'SIGKILL')
    await eventually('its point', async () => (await listed(server)).length > 0)
    const token = await tokenOf(server, own.id)
    const leave = new AbortController()
    const begun = await fetch(`${server.url}/recover`, { method: 'POST', signal: leave.signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }) })
    await begun.body!.getReader().read()
    leave.abort()
    const again = await eventually<string>('the token', async () => {
      const answer = await recover(server, token)
      return answer.status === 201 ? String(answer.body.sessionId) : ''
    }, 20_000)
    t.equal((await endSession(server, again)).status, 200)
  })
})
