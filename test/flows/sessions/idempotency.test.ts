import { zipSync } from 'fflate'
import t from 'tap'
import type { ProgressLine } from '#schemas/progress.ts'
import { ask, read, type Answer } from '#support/servers/client.ts'
import { assertAsBefore, assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { listMachine } from '#support/servers/machine.ts'
import { eventually, readLines, type Server } from '#support/servers/server.ts'

/** A creation with a key, answered as JSON. */
const create = (server: Server, key: string, body: object = {}): Promise<Answer> =>
  ask(server, '/sessions', { method: 'POST', headers: { accept: 'application/json', 'idempotency-key': key }, body })

/** The same, answered as a stream. `leave` closes its connection. */
async function stream (server: Server, key: string) {
  const connection = new AbortController()
  const response = await fetch(`${server.url}/sessions`, { method: 'POST', headers: { ...server.headers, 'idempotency-key': key }, signal: connection.signal })
  const lines = readLines(response)
  return {
    first: async () => (await lines.next()).value as ProgressLine,
    rest: () => Array.fromAsync(lines),
    leave: () => connection.abort()
  }
}

t.test('requests with one key make one session, in whichever form they ask, as long as one of them waits', async t => {
  const browser = heldBrowser(t)
  const server = await serve(t, browser.settings)
  const before = await listMachine(server)
  browser.hold()
  const first = await stream(server, 'one')
  const step = await first.first()
  const answers = [create(server, 'one'), create(server, 'one', { })]
  const second = await stream(server, 'one')
  t.strictSame(await second.first(), step, 'who joins reads from the first line on')
  t.match(await create(server, 'one', { width: 900 }), { status: 422, body: { code: 'EX10_KEY_REUSED' } }, 'while it is made')
  await eventually('the session', async () => (await listSessions(server)).length === 1)
  first.leave()
  await first.rest().catch(() => {})
  browser.release()
  const last = (await second.rest()).at(-1)!
  t.match(last, { status: 'complete' }, 'it is made although the client has gone that began it')
  const { sessionId } = last.data as { sessionId: string }
  for (const answer of await Promise.all(answers)) t.match(answer, { status: 201, body: { sessionId } })
  t.equal((await listSessions(server)).length, 1)

  t.match(await create(server, 'one', { height: 800, width: 1280 }), { status: 201, body: { sessionId } }, 'defaults that are spelt out are the same body')
  t.match(await create(server, 'one', { width: 900 }), { status: 422, body: { code: 'EX10_KEY_REUSED', success: false } }, 'when it is made')
  t.match(await (await stream(server, 'one')).rest(), [{ status: 'complete', data: { sessionId } }], 'a stream has only its last line then')
  t.not((await create(server, 'two')).body.sessionId, sessionId, 'the control: another key')

  for (const { id } of await listSessions(server)) t.equal((await ask(server, `/sessions/${id}`, { method: 'DELETE' })).status, 200)
  const over = await create(server, 'one')
  t.match(over, { status: 201, body: { sessionId } }, 'the answer stays when the session has ended')
  t.notOk('displayUrl' in over.body, 'but nothing is left to be shown')

  browser.hold()
  const [one, two] = [await stream(server, 'three'), await stream(server, 'three')]
  await eventually('the session', async () => (await listSessions(server)).length === 1)
  const given = (await listSessions(server))[0]!.id
  one.leave()
  two.leave()
  await eventually('that the server knows it', async () => !(await listSessions(server)).some(({ id, state }) => id === given && state === 'creating'))
  const again = create(server, 'three', { width: 900 })
  await eventually('its end', async () => !(await listSessions(server)).some(({ id }) => id === given))
  browser.release()
  t.equal((await again).status, 201, 'when all have gone, the creation is undone, and its key may begin another one')
  t.not((await again).body.sessionId, given)
  t.equal((await ask(server, `/sessions/${(await again).body.sessionId}`, { method: 'DELETE' })).status, 200)
  await assertAsBefore(t, server, before, 'all have ended')
  await assertEndsClean(t, server)
})

t.test('a key is its user\'s own, is kept when the server is killed, and is free again when its creation has failed', async t => {
  let server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_FAILPOINT: 'firewall:after:throw' })
  const user = (name: string, ...words: string[]) => keysCommand(server, 'create', '--user', name, ...words)
  const [anna, maker, ben, ada] = [await user('anna'), await user('anna', '--scopes', 'create'), await user('ben'), await user('ada', '--role', 'admin')]
  t.match(await create(as(server, anna), 'k'), { status: 500, body: { code: 'EX10_STEP_FAILED' } })
  const made = await create(as(server, anna), 'k')
  t.equal(made.status, 201, 'it is tried again with the key')
  const { sessionId } = made.body
  t.match(await create(as(server, maker), 'k'), { status: 201, body: { sessionId, displayUrl: undefined } }, 'another credential of hers has it, too; one that may not look gets no address to look at it')
  t.not((await create(as(server, ben), 'k')).body.sessionId, sessionId)

  const zip = { type: 'application/zip', body: Buffer.from(zipSync({ 'manifest.json': Buffer.from('{"manifest_version":3,"name":"A","version":"1"}') })) }
  const upload = (key: string, body: Buffer) => ask(as(server, anna), '/sessions', { method: 'POST', headers: { accept: 'application/json', 'content-type': zip.type, 'idempotency-key': key }, body })
  const uploads = await Promise.all([upload('zip', zip.body), upload('zip', zip.body)])
  t.strictSame(uploads.map(({ status, body }) => [status, body.sessionId]), Array(2).fill([201, uploads[0].body.sessionId]), 'an archive that is sent twice makes one session')
  t.match(await upload('zip', Buffer.from(zipSync({ 'manifest.json': Buffer.from('{}') }))), { status: 422, body: { code: 'EX10_KEY_REUSED' } })
  for (const key of ['', 'two words', 'ü', 'x'.repeat(256)]) t.match(await create(as(server, anna), Buffer.from(key).toString('latin1')), { status: 400, body: { code: 'EX10_BAD_REQUEST' } }, `"${key.slice(0, 20)}" is no key`)
  t.equal((await create(as(server, anna), 'x'.repeat(255))).status, 201)

  await server.stop('SIGKILL')
  server.env.EX10_FAILPOINT = ''
  server = await next(t, server)
  t.match(await create(as(server, anna), 'k'), { status: 201, body: { sessionId } })
  t.match(await create(as(server, anna), 'k', { width: 900 }), { status: 422, body: { code: 'EX10_KEY_REUSED' } })
  t.equal((await read(as(server, ada), '/sessions')).sessions.length, 4)
  t.notMatch(server.output(), /token=[\w.-]/, 'no address of a display is logged')
  await assertEndsClean(t, as(server, ada))
})
