import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { parseStat } from '#system/kernel/processes.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { pastEvents } from '#support/servers/events.ts'
import { freePort } from '#support/servers/free-port.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { launchViewer, openDisplay, showsPicture } from '#support/display/viewer.ts'

/** The pid of the session's browser, with its start time, as the host sees it. */
async function browserOf (t: Test, server: Server, session: CreatedSession): Promise<string | undefined> {
  const { groups } = await inside(t, server, session)
  const pids = readFileSync(`${groups[0]}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)
  const isBrowser = (pid: string) => /^\/usr\/lib\/chromium\/chromium\0(?!.*--type=)/s.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  return pids.filter(isBrowser).map(pid => `${pid} ${parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).startTime}`)[0]
}

for (const [how, signal, settings] of [['was killed', 'SIGKILL', {}], ['keeps its sessions at SIGTERM', 'SIGTERM', { EX10_ON_SHUTDOWN: 'keep' }]] as const) {
  t.test(`a server that ${how} goes on with them when it is started again, and the page comes back by itself`, async t => {
    let server = await serve(t, { EX10_PORT: String(await freePort()), ...settings })
    server.env.EX10_ON_SHUTDOWN = 'end' // of the next one
    const session = await createSession(server)
    const devTools = await openDevTools(t, server, session)
    const tab = await devTools.firstTab()
    await tab.visit('http://page.test/', '<!doctype html><title>A page</title><body style="background: linear-gradient(red, blue)">')
    await tab.evaluate('window.kept = "still here"')
    const browser = await browserOf(t, server, session)
    const page = await openDisplay(await launchViewer(t), session.url)
    await page.evaluate('window.isOld = true')

    await server.stop(signal)
    server = await next(t, server)
    const readyAt = performance.now()
    const { sessions } = await (await fetch(`${server.url}/sessions`)).json() as { sessions: object[] }
    t.match(sessions, [{ id: session.id, state: 'ready', health: 'ok', version: 0 }])
    await eventually('a page that was loaded anew', async () => await page.evaluate('window.isOld').catch(() => true) === undefined, 10_000)
    await showsPicture(page, 10_000)
    const ms = Math.round(performance.now() - readyAt)
    t.comment(`the page shows the session ${ms} ms after the server is ready`)
    t.ok(ms < 3000, 'within 3 s of ready, without anybody\'s help')

    t.strictSame(await browserOf(t, server, session), browser, 'the same browser: pids and start times')
    t.equal(await tab.evaluate('window.kept'), 'still here', 'and the same page in it')
    t.match(await pastEvents(server, session.id), [{ type: 'ready' }, { type: 'adopted' }])
    const pushed = await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: 'self.token = "new"', wait: true })
    t.match(await pushed.json(), { success: true, version: 1, loaded: true, problems: [] }, 'the new code runs')
    await page.close()
    t.equal((await endSession(server, session.id)).status, 200)
    await assertEndsClean(t, server)
  })
}
