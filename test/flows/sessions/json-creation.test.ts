import { request } from 'node:http'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { SessionCreated } from '#schemas/progress.ts'
import { ask, read, type Answer } from '#support/servers/client.ts'
import { assertAsBefore, assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { listMachine } from '#support/servers/machine.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

const JSON_ONLY = { accept: 'application/json' }

const create = (server: Server, headers: Record<string, string> = JSON_ONLY, body?: object): Promise<Answer> => ask(server, '/sessions', { method: 'POST', headers, body })

/** What each `Accept` is answered with: the default is a stream. */
const FORMS: [accept: string | undefined, form: string][] = [
  [undefined, 'application/x-ndjson'],
  ['*/*', 'application/x-ndjson'],
  ['application/*', 'application/x-ndjson'],
  ['text/html', 'application/x-ndjson'],
  ['application/json;q=0.5, application/x-ndjson', 'application/x-ndjson'],
  ['application/json;q=0, */*', 'application/x-ndjson'],
  ['application/json', 'application/json'],
  ['application/json, text/plain, */*', 'application/json'],
  ['Application/JSON; charset=utf-8, application/x-ndjson;q=0.9', 'application/json']
]

t.test('a client that accepts JSON gets one answer when its session is ready, by quality values; every other one gets the stream', async t => {
  const server = await serve(t, lightDisplay())
  const { status, headers, body } = await create(server, { ...JSON_ONLY, 'idempotency-key': 'one' }, { width: 900 })
  t.equal(status, 201)
  t.ok(Value.Check(SessionCreated, body), JSON.stringify(body))
  t.match(body, { sessionId: /^[0-9a-f]{32}$/, isNew: true, url: `/session/${body.sessionId}/`, displayUrl: new RegExp(`^${server.url}/session/${body.sessionId}/display\\?token=`) })
  t.match(headers, { location: `/sessions/${body.sessionId}`, 'cache-control': 'no-store', vary: /\bAccept\b/ })
  t.match(await read(server, '/sessions/:id', { id: body.sessionId }), { state: 'ready' })
  for (const [accept, form] of FORMS) {
    const again = await create(server, { 'idempotency-key': 'one', ...(accept !== undefined && { accept }) }, { width: 900 })
    t.equal(again.headers['content-type']?.split(';')[0], form, `Accept: ${accept}`)
    t.match(again.headers.vary, /\bAccept\b/)
    const created = form === 'application/json' ? again.body : JSON.parse(again.text).data
    t.equal(created.sessionId, body.sessionId)
  }
  t.match(await create(server, JSON_ONLY, { template: 'none' }), { status: 400, body: { code: 'EX10_UNKNOWN_TEMPLATE' }, headers: { vary: /\bAccept\b/ } })
  t.equal((await ask(server, body.location ?? `/sessions/${body.sessionId}`, { method: 'DELETE' })).status, 200)
  await assertEndsClean(t, server)
})

const FAULTS = { 'home:before:enospc': [507, 'EX10_NO_DISK', '10'], 'sandbox:before:hang': [504, 'EX10_STEP_TIMEOUT'] } as const

for (const [failpoint, [status, code, retryAfter]] of Object.entries(FAULTS)) {
  t.test(`a creation that fails is answered with its own status and code when nothing of it is left: ${status} ${code}`, async t => {
    const server = await serve(t, { ...lightDisplay(), EX10_FAILPOINT: failpoint, EX10_STEP_TIMEOUT: '5' })
    const before = await listMachine(server)
    const { headers, ...answer } = await create(server)
    t.match(answer, { status, body: { success: false, code, statusCode: status, message: String } })
    t.equal(headers['retry-after'], retryAfter)
    t.strictSame(await listMachine(server), before)
    t.equal((await create(server)).status, 201, 'and the next one succeeds')
    await assertEndsClean(t, server)
  })
}

t.test('it waits in the queue like the stream; a client that goes away meanwhile leaves nothing, and the server\'s end is answered', async t => {
  const browser = heldBrowser(t)
  const server = await serve(t, { ...browser.settings, EX10_MAX_SESSIONS: '1', EX10_WHEN_FULL: 'queue', EX10_STEP_TIMEOUT: '120' }) // a step that waits for the browser does not time out meanwhile
  const before = await listMachine(server)
  const waiting = async () => (await read(server, '/health')).waiting

  /** Asks, and leaves when `when` has come. */
  async function leave (when: () => Promise<boolean>): Promise<void> {
    const asked = request(`${server.url}/sessions`, { method: 'POST', headers: JSON_ONLY }).on('error', () => {})
    asked.end()
    await eventually('the creation', when)
    asked.destroy()
  }
  browser.hold()
  await leave(async () => (await listSessions(server)).length === 1)
  await assertAsBefore(t, server, before, 'a client went away while its session was being made')
  browser.release()

  const first = await createSession(server)
  const patient = create(server)
  await eventually('its place', async () => await waiting() === 1)
  await leave(async () => await waiting() === 2)
  await eventually('one less', async () => await waiting() === 1)
  t.equal((await endSession(server, first.id)).status, 200)
  t.equal((await patient).status, 201)

  const [queued] = [create(server)]
  await eventually('its place', async () => await waiting() === 1)
  const exit = server.stop()
  t.match(await queued, { status: 503, body: { code: 'EX10_SHUTTING_DOWN' } })
  t.equal(await exit, 0)
  await assertEndsClean(t, server)
})
