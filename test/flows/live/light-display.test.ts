import t from 'tap'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, pushCode } from '#support/servers/server.ts'

t.test('programs in a folder of EX10_SESSION_PATH stand in for a session\'s own: all the rest of it is real, and cheap', async t => {
  const server = await serve(t, lightDisplay())
  const sessions = await Promise.all(Array.from({ length: 5 }, () => createSession(server)))
  t.same((await listSessions(server)).map(({ state }) => state), Array(5).fill('ready'))
  for (const { id, url } of sessions) {
    t.equal((await fetch(`${url}index.html`)).status, 200, 'its page is there')
    t.equal((await pushCode(server, { sessionId: id, filePath: 'x.js', content: 'x' })).status, 200, 'it takes code')
    t.match(await (await fetch(`${server.url}/sessions/${id}`)).json(), { health: 'ok', version: 1 })
  }
  for (const { status } of await Promise.all(sessions.map(({ id }) => endSession(server, id)))) t.equal(status, 200)
  await assertEndsClean(t, server)
})
