import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { loopbackJson } from '#system/kernel/loopback-json.ts'
import { wallClock } from '#support/faults/clock.ts'
import { listStates, next, serve } from '#support/servers/creation.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { assertAuditsClean, assertSurvived } from '#support/servers/ending.ts'
import { nextEvent, pastEvents } from '#support/servers/events.ts'
import { startRelay } from '#support/faults/relay.ts'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode } from '#support/servers/server.ts'
import { launchViewer, openDisplay, showsPicture, statusOf } from '#support/display/viewer.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const PAGE = 'http://page.test/'

t.test('when the clock on the wall is set an hour forward or back, no session ends, viewers stay, and every push is seen', { timeout: 400_000 }, async t => {
  const clock = wallClock(t)
  const server = await serve(t, clock.env)
  const session = await createSession(server)
  const { slot } = readFacts(server, session.id)
  const devTools = await openDevTools(t, server, session)
  const tab = await devTools.firstTab()
  await tab.visit(PAGE, '<!doctype html><title>Page</title><body style="background: linear-gradient(red, blue)">')
  const browser = await devTools.browserPid()
  const viewer = await launchViewer(t)
  const page = await openDisplay(viewer, session.url)
  await page.evaluate('window.isOld = true')

  const assertHour = async (hours: number) => {
    const { headers } = await fetch(`${server.url}/health`)
    const { version } = await loopbackJson(slot.devServerPort, '/changes?after=0&wait=0', { maxBytes: 65536, signal: AbortSignal.timeout(20_000) }) as { version: number }
    for (const [whose, time] of [['server', Date.parse(headers.get('date') ?? '')], ['dev server', version]] as const) {
      t.ok(Math.abs(time - Date.now() - hours * HOUR_MS) < 2 * MINUTE_MS, `control: by the ${whose}'s clock it is ${hours} h off`)
    }
  }
  const assertPushSeen = async (when: string) => {
    const said = `token-${randomBytes(6).toString('hex')}`
    t.equal((await pushCode(server, { sessionId: session.id, filePath: 'content-script.js', content: `document.documentElement.dataset.said = '${said}'` })).status, 200)
    await eventually(`${when}: the open page runs what was pushed`, async () => await tab.evaluate('document.documentElement.dataset.said') === said, 30_000)
    t.pass(`${when}: the open page runs what was pushed`)
  }
  const restartDevServer = async () => {
    const before = await pastEvents(server, session.id)
    execFileSync('s6-svc', ['-k', `${server.dataDir}/sessions/${session.id}/services/dev-server`])
    await nextEvent(server, session.id, { type: 'service-restarted', service: 'dev-server' }, before, 60_000)
  }

  await assertPushSeen('at first')
  for (const hours of [1, 0, -1]) {
    clock.set(hours)
    await assertPushSeen(`${hours} h`)
    await restartDevServer()
    await assertPushSeen(`${hours} h, with a dev server that was started again`)
    await assertHour(hours)
    t.strictSame(await listStates(server), [`${session.id} ready`], 'the session lives')
    t.equal(await devTools.browserPid(), browser, 'with the same browser')
    t.equal(await page.evaluate('window.isOld'), true, 'the viewer did not have to come back')
    t.equal(await statusOf(page), '', 'and sees the session')
    const another = await openDisplay(viewer, session.url)
    await another.close()
    await assertAuditsClean(t, server, `${hours} h`)
  }
  await page.close()
  await server.stop('SIGKILL')
  clock.set(1)
  const second = await next(t, server)
  t.strictSame(await listStates(second), [`${session.id} ready`], 'a server that is started in the future goes on with the session')
  t.equal((await endSession(second, session.id)).status, 200)
  await assertSurvived(t, second, 4)
})

t.test('a viewer whose own clock is set back notices all the same that the connection is dead, and comes back by itself', { timeout: 200_000 }, async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const tab = await (await openDevTools(t, server, session)).firstTab()
  await tab.visit(PAGE, '<!doctype html><title>Page</title><body style="background: linear-gradient(red, blue)">')
  const relay = await startRelay(t, server.url)
  const page = await openDisplay(await launchViewer(t), `${relay.url}/session/${session.id}/`)
  relay.freeze()
  await page.evaluate(`{ const now = Date.now.bind(Date); Date.now = () => now() - ${HOUR_MS} }`)
  const frozenAt = performance.now()
  await eventually('the page says it', async () => await statusOf(page) === 'Reconnecting…', 60_000)
  t.comment(`noticed after ${Math.round(performance.now() - frozenAt)} ms`)
  await relay.cut()
  await relay.mend()
  await showsPicture(page)
  await page.close()
  await assertSurvived(t, server, 1)
})
