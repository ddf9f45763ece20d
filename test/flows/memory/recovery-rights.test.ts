import t from 'tap'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, type Server } from '#support/servers/server.ts'

const JSON_ANSWER = { accept: 'application/json' }

t.test('a session that was evicted is brought back by its own user alone, once; one that its user ended is gone', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_MAX_SESSIONS_PER_USER: '1', EX10_WHEN_FULL: 'evict-oldest' })
  const [anna, ben, ada] = await Promise.all([['anna'], ['ben'], ['ada', '--role', 'admin']].map(async words => as(server, await keysCommand(server, 'create', '--user', ...words)))) as [Server, Server, Server]
  const { id: first } = await createSession(anna)
  t.equal((await ask(anna, '/updateCode', { method: 'POST', body: { sessionId: first, filePath: 'a.js', content: '// kept' } })).status, 200)
  t.equal((await ask(anna, `/sessions/${first}/state/user_data/note`, { method: 'PUT', body: '"remember"' })).status, 201)
  const { id: second } = await createSession(anna) // evicts the first
  t.match((await ask(anna, '/recoverable')).body, { sessions: [{ sessionId: first, reason: 'evicted', version: 1 }] })
  t.equal((await endSession(anna, second)).status, 200)
  t.strictSame((await ask(anna, '/recoverable')).body.sessions.map(({ sessionId }: { sessionId: string }) => sessionId), [first])

  const NOTHING = { status: 404, body: { code: 'EX10_NOTHING_TO_RECOVER' } }
  const recover = (who: Server, token: string) => ask(who, '/recover', { method: 'POST', headers: JSON_ANSWER, body: { token } })
  t.strictSame((await ask(ben, '/recoverable')).body.sessions, [], 'another user does not see it')
  t.match(await ask(ben, `/recoverable/${first}/token`, { method: 'POST' }), NOTHING)
  const { token } = (await ask(anna, `/recoverable/${first}/token`, { method: 'POST' })).body
  for (const other of [ben, ada]) t.match(await recover(other, token), NOTHING, 'nor can another user, or an admin, use the token')
  const answers = await Promise.all([recover(anna, token), recover(anna, token)])
  t.strictSame(answers.map(({ status }) => status === 201).sort(), [false, true], 'of two requests at once, one brings it back')
  const back = answers.find(({ status }) => status === 201)!.body
  t.match(back, { recoveredFrom: first })
  t.equal((await ask(anna, `/sessions/${back.sessionId}/files/a.js`)).text, '// kept')
  t.match((await ask(anna, `/sessions/${back.sessionId}/state/user_data/note`)).body, 'remember')
  t.match(await recover(anna, token), NOTHING, 'the token is used up')
  t.strictSame((await ask(anna, '/recoverable')).body.sessions, [])
  t.equal((await endSession(anna, back.sessionId)).status, 200)
  await assertEndsClean(t, ada)
})
