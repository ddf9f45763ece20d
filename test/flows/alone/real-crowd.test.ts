import { readFileSync } from 'node:fs'
import t from 'tap'
import { atOnce } from '#support/servers/at-once.ts'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { createSession, endSession, eventually, pushCode } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const SESSIONS = IS_LONG ? 20 : 3
const MADE_AT_ONCE = 2

/** What the whole machine has free for programs, in MiB. */
function availableMiB (): number {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024
}

t.test('many real browsers live side by side: each shows its page, runs its code, and goes without a trace', async t => {
  const server = await serve(t)
  const before = availableMiB()
  const startedAt = performance.now()
  const sessions = await atOnce(MADE_AT_ONCE, SESSIONS, () => createSession(server))
  t.comment(`${SESSIONS} made, ${MADE_AT_ONCE} side by side: ${Math.round(performance.now() - startedAt)} ms; memory of all: ${Math.round(before - availableMiB())} MiB`)
  t.equal((await listSessions(server)).filter(({ state }) => state === 'ready').length, SESSIONS, 'all are ready, at once')
  t.strictSame(await auditFromServer(server), CLEAN, 'all of them have what they must, and there is nothing else')
  t.strictSame(await auditFromTerminal(server), CLEAN)

  for (const [index, session] of sessions.entries()) {
    t.equal((await fetch(`${session.url}index.html`)).status, 200, 'its display answers')
    const title = `This is number ${index}`
    const pushed = await pushCode(server, { sessionId: session.id, filePath: 'content-script.js', content: `document.title = '${title}'` })
    t.match(await pushed.json(), { success: true, version: 1 }, 'it takes code')
    const devTools = await openDevTools(t, server, session)
    const tab = await devTools.firstTab()
    await eventually('its own code in its page', async () => {
      await tab.visit('http://page.test/', '<!doctype html><title>A page</title>')
      return await tab.evaluate('document.title') === title
    }, 60_000)
  }
  const answers = await Promise.all(sessions.map(({ id }) => endSession(server, id)))
  t.ok(answers.every(({ status }) => status === 200), 'all are ended, at once')
  t.strictSame(await auditFromServer(server), CLEAN)
  await assertEndsClean(t, server)
  tally(t, 'real sessions at once', SESSIONS)
})
