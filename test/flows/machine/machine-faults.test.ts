import t from 'tap'
import { assertAsBefore, listSessions, serve } from '#support/servers/creation.ts'
import { assertSurvived } from '#support/servers/ending.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { listMachine } from '#support/servers/machine.ts'
import { createSession, endSession } from '#support/servers/server.ts'

t.test('when every slot is taken the next creation is told when to come again, and makes nothing; a slot that is freed serves again', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '3' })
  const empty = await listMachine(server)
  const sessions = await Promise.all(Array.from({ length: 3 }, () => createSession(server)))
  const before = await listMachine(server)
  for (let time = 0; time < 3; time++) {
    const answer = await fetch(`${server.url}/createSession`)
    t.equal(answer.status, 503)
    t.equal(answer.headers.get('retry-after'), '10')
    t.match(await answer.json(), { success: false, code: 'EX10_TOO_MANY_SESSIONS', message: 'The server has reached its limit of sessions: try again later', statusCode: 503 })
  }
  t.strictSame(await listMachine(server), before, 'nothing was made')
  t.equal((await listSessions(server)).length, 3)

  t.equal((await endSession(server, sessions[1]!.id)).status, 200)
  const rush = await Promise.all(Array.from({ length: 5 }, () => fetch(`${server.url}/createSession`).then(async answer => [answer.status, await answer.text()] as const)))
  t.strictSame(rush.map(([status]) => status).sort(), [200, 503, 503, 503, 503], 'of five at once, one gets the free slot')
  t.match(rush.find(([status]) => status === 200)?.[1], '"status":"complete"')
  for (const { id } of await listSessions(server)) t.equal((await endSession(server, id)).status, 200)
  await assertAsBefore(t, server, empty, 'after them all')
  await assertSurvived(t, server, 1)
})
