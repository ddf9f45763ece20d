import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { PROFILE_DIR } from '#domain/programs/display.ts'
import type { SessionView } from '#schemas/session.ts'
import { openDevTools, type DevTools } from '#support/display/devtools.ts'
import { refusalOf } from '#support/servers/event-socket.ts'
import { nextEvent, pastEvents, type SessionEvent } from '#support/servers/events.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { inside, type Inside } from '#support/sandbox.ts'
import { read } from '#support/servers/client.ts'
import { listSessions, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { launchViewer, openDisplay, showsPicture } from '#support/display/viewer.ts'

/** Ends a session's program as it happens in life: by a signal to it alone. */
function signalService ({ dir }: Inside, service: string, flag: '-k' | '-t' | '-p' | '-1'): void {
  execFileSync('s6-svc', [flag, `${dir}/services/${service}`])
}

/** What a page has stored in the browser's profile. */
async function keptBy (devTools: DevTools): Promise<unknown> {
  const tab = await devTools.firstTab()
  await tab.visit('http://page.test/', '<!doctype html><title>The page again</title>')
  return tab.evaluate('localStorage.kept')
}

async function healthOf (server: Server, { id }: CreatedSession): Promise<string> {
  return (await read(server, '/sessions/:id', { id })).health
}

async function becomesWell (server: Server, session: CreatedSession): Promise<void> {
  await eventually('a session that is well', async () => await healthOf(server, session) === 'ok', 30_000)
}

t.test('What dies or freezes in a session comes back', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const browser = await launchViewer(t)
  const page = await openDisplay(browser, session.url)
  const past = () => pastEvents(server, session.id)

  await t.test('Xpra dies: it is back on the same X server with the same tabs, and the page with it, within 3 s', async t => {
    const tab = await (await openDevTools(t, server, session)).firstTab()
    await tab.visit('http://page.test/', '<!doctype html><title>A page</title><body style="background: linear-gradient(red, blue)">')
    await tab.evaluate('window.kept = localStorage.kept = "still here"')
    const before = await past()
    const times: number[] = []
    while (times.length < 3 && !times.some(ms => ms < 3000)) times.push(await killXpra()) // the machine may have been busy
    t.comment(`the page shows the session again after ${times.join(', ')} ms`)
    t.ok(times.some(ms => ms < 3000))
    t.match(await nextEvent(server, session.id, { type: 'service-exited', service: 'xpra' }, before), { signal: 'SIGKILL', message: 'The display ended: SIGKILL', lastLines: Array, at: String })
    await nextEvent(server, session.id, { type: 'service-restarted', service: 'xpra' }, before)
    t.equal(await tab.evaluate('window.kept'), 'still here')
    t.notOk((await past()).some(event => event.service === 'browser' || event.service === 'xvfb'), 'nothing else ended')
    await becomesWell(server, session)
  })

  async function killXpra (): Promise<number> {
    await page.evaluate('window.isOld = true')
    const killedAt = performance.now()
    signalService(own, 'xpra', '-k')
    await eventually('a page that was loaded anew', async () => await page.evaluate('window.isOld').catch(() => true) === undefined, 20_000)
    await showsPicture(page)
    return Math.round(performance.now() - killedAt)
  }

  await t.test('Chromium dies: it is started again on the same profile, with the extension', async t => {
    const before = await past()
    await eventually('what a page keeps is on the disk', async () => (await own.run(['grep', '-rqaF', 'still here', `${own.facts.account.home}/${PROFILE_DIR}/Default/Local Storage`])).code === 0, 30_000)
    signalService(own, 'browser', '-k')
    t.match(await nextEvent(server, session.id, { type: 'service-exited', service: 'browser' }, before), { signal: 'SIGKILL' })
    t.match(await nextEvent(server, session.id, { type: 'degraded' }, before), {})
    await nextEvent(server, session.id, { type: 'service-restarted', service: 'browser' }, before)
    const devTools = await openDevTools(t, server, session)
    await eventually('the extension', async () => (await devTools.targets()).some(({ type, url }) => type === 'service_worker' && url.includes(devTools.extensionId)), 30_000)
    t.equal(await keptBy(devTools), 'still here')
    await becomesWell(server, session)
    await nextEvent(server, session.id, { type: 'recovered' }, before)
  })

  await t.test('the X server dies: display and browser are built again on the same profile, and the page comes back', async t => {
    const before = await past()
    await page.evaluate('window.isOld = true')
    signalService(own, 'xvfb', '-k')
    t.match(await nextEvent(server, session.id, { type: 'service-exited', service: 'xvfb' }, before), { signal: 'SIGKILL' })
    await nextEvent(server, session.id, { type: 'service-restarted', service: 'xvfb' }, before)
    await eventually('a page that was loaded anew', async () => await page.evaluate('window.isOld').catch(() => true) === undefined, 30_000)
    await showsPicture(page)
    await becomesWell(server, session)
    const devTools = await openDevTools(t, server, session)
    await eventually('the extension', async () => (await devTools.targets()).some(({ type }) => type === 'service_worker'), 30_000)
    t.equal(await keptBy(devTools), 'still here')
  })

  await t.test('a dev server that dies again and again stays down longer each time, until code is pushed', async t => {
    for (const seconds of [1, 2, 4, 8]) {
      await eventually('a dev server', async () => execFileSync('s6-svstat', ['-o', 'up', `${own.dir}/services/dev-server`], { encoding: 'utf8' }).trim() === 'true', 20_000)
      const known = await past()
      signalService(own, 'dev-server', '-k')
      t.match(await nextEvent(server, session.id, { type: 'degraded', service: 'dev-server' }, known), { retryInMs: seconds * 1000 }, `${seconds} s`)
    }
    t.equal(await healthOf(server, session), 'degraded')
    const known = await past()
    t.equal((await pushCode(server, { sessionId: session.id, filePath: 'popup.html', content: '<p>new' })).status, 200)
    const restarted = await nextEvent(server, session.id, { type: 'service-restarted', service: 'dev-server' }, known)
    const down = known.findLast(({ type }) => type === 'degraded')!
    const downMs = Date.parse(restarted.at) - Date.parse(down.at)
    t.ok(downMs < 7000, `the 8 s were not waited for: ${downMs} ms`)
    await becomesWell(server, session)
  })

  await t.test('a program that was stopped is found, killed and started again, whichever it is', async t => {
    for (const service of ['xvfb', 'xpra', 'browser', 'dev-server']) {
      const before = await past()
      signalService(own, service, '-p')
      t.match(await nextEvent(server, session.id, { type: 'service-frozen', service }, before), { message: /was stopped: it is killed and started again/ }, service)
      await nextEvent(server, session.id, { type: 'service-restarted', service }, before, 60_000)
      await becomesWell(server, session)
    }
    await page.close()
  })

  await t.test('events are streamed as they happen, up to the end', async t => {
    const leaving = new AbortController()
    const read = () => fetch(`${server.url}/sessions/${session.id}/events`, { signal: leaving.signal })
    const readers = await Promise.all(Array.from({ length: 32 }, read))
    t.ok(readers.every(({ status }) => status === 200))
    const refused = await read()
    t.match([refused.headers.get('retry-after'), await refused.json()], ['10', { code: 'EX10_TOO_MANY_STREAMS', statusCode: 429 }], 'to so many readers')
    t.strictSame(await refusalOf(server, `/sessions/${session.id}/events`), { status: 429, code: 'EX10_TOO_MANY_STREAMS' }, 'nor by a WebSocket')
    leaving.abort()
    const answer = await eventually('room for another', async () => {
      const answer = await fetch(`${server.url}/sessions/${session.id}/events`)
      return answer.status === 200 ? answer : undefined
    })
    t.equal(answer.headers.get('content-type'), 'application/x-ndjson')
    const reading = answer.text()
    t.equal((await endSession(server, session.id)).status, 200)
    const lines = (await reading).trim().split('\n').map(line => JSON.parse(line) as { type: string })
    t.match(lines[0], { type: 'ready' })
    t.match(lines.at(-1), { type: 'ended', reason: 'deleted' })
    t.equal((await fetch(`${server.url}/sessions/${session.id}/events`)).status, 404, 'and are gone with the session')
  })
})

t.test('a program that runs and does not answer is found, killed and started again', async t => {
  const server = await serve(t, lightDisplay())
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const before = await pastEvents(server, session.id)
  const services = ['xpra', 'browser', 'dev-server']
  for (const service of services) signalService(own, service, '-1') // by which these programs fall silent
  for (const service of services) {
    t.match(await nextEvent(server, session.id, { type: 'service-frozen', service }, before, 60_000), { message: /did not answer: it is killed and started again/ }, service)
    await nextEvent(server, session.id, { type: 'service-restarted', service }, before, 30_000)
  }
  await becomesWell(server, session)
  t.equal((await endSession(server, session.id)).status, 200)
})

/** No clock runs for these sessions but that of a program that was given up. */
const UNLIMITED = { EX10_IDLE_TIMEOUT: '0', EX10_CONNECT_TIMEOUT: '0' }

t.test('a program in a crash loop is given up and says so, the session goes on, and a push tries again', async t => {
  const server = await serve(t, UNLIMITED)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const end = async () => (await (await fetch(`${server.url}/sessions/${session.id}`)).json() as SessionView).expiresBecause
  await crashUntilGivenUp(t, server, session, own)
  t.equal(await healthOf(server, session), 'degraded')
  t.equal(await end(), 'given-up', 'but not for ever')
  t.equal((await fetch(`${session.url}index.html`)).status, 200, 'the rest of the session is there')
  t.equal((await pushCode(server, { sessionId: session.id, filePath: 'popup.html', content: '<p>new' })).status, 200)
  await becomesWell(server, session)
  t.equal(await end(), undefined, 'it is back, and the clock has stopped')
  t.equal((await endSession(server, session.id)).status, 200)
})

t.test('a session whose browser was given up and does not come back ends by EX10_GIVEN_UP_TIMEOUT, as crashed, and frees its place', async t => {
  const server = await serve(t, { ...lightDisplay(), ...UNLIMITED, EX10_GIVEN_UP_TIMEOUT: '4' })
  const session = await createSession(server)
  const hearing = fetch(`${server.url}/sessions/${session.id}/events`, { signal: AbortSignal.timeout(90_000) }).then(answer => answer.text())
  await crashUntilGivenUp(t, server, session, await inside(t, server, session))
  const told = (await hearing).trim().split('\n').map(line => JSON.parse(line) as SessionEvent)
  const [givenUp, expiring, ended] = ['service-given-up', 'expiring', 'ended'].map(type => told.find(event => event.type === type))
  t.match(expiring, { expiresBecause: 'given-up', expiresAt: String }, 'it says so before')
  t.match(ended, { reason: 'crashed' })
  const ms = Date.parse(ended?.at ?? '') - Date.parse(givenUp?.at ?? '')
  t.ok(ms >= 3900 && ms < 15_000, `after ${ms} ms`)
  t.strictSame(await listSessions(server), [])
})

async function crashUntilGivenUp (t: Test, server: Server, session: CreatedSession, own: Inside): Promise<void> {
  for (let death = 1; death <= 6; death++) {
    const before = await pastEvents(server, session.id)
    signalService(own, 'browser', '-k')
    await nextEvent(server, session.id, { type: 'service-exited', service: 'browser' }, before)
    if (death < 6) await nextEvent(server, session.id, { type: 'service-restarted', service: 'browser' }, before)
    else t.match(await nextEvent(server, session.id, { type: 'service-given-up', service: 'browser' }, before), { message: /push code to try again/ })
  }
}
