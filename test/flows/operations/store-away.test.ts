import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { openSocket, socketDisplay } from '#support/display/socket-display.ts'
import { ask, read } from '#support/servers/client.ts'
import { auditFromServer } from '#support/servers/audit.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { startPostgres } from '#support/storage/postgres.ts'
import type { StoreServer } from '#support/storage/program.ts'
import { startRedis } from '#support/storage/redis.ts'

const STORES: Record<string, (t: Test) => Promise<StoreServer>> = { PostgreSQL: startPostgres, Redis: startRedis }

/** Pushes and makes keys, one after the other, until it is told to stop. `made` are the ids of the keys that were promised. */
function traffic (server: Server, { id }: CreatedSession) {
  const made: string[] = []
  const answers = new Set<string>()
  const over = new AbortController()
  const pushes = (async () => {
    for (let count = 0; !over.signal.aborted; count++) {
      answers.add(`push ${(await pushCode(server, { sessionId: id, filePath: 'x.js', content: `x${count}` })).status}`)
      await delay(200) // a session keeps its last 200 events
    }
  })()
  const keys = (async () => {
    while (!over.signal.aborted) {
      const { status, body } = await ask(server, '/admin/keys', { method: 'POST', body: { user: 'ben' } })
      answers.add(`key ${status} ${body.code ?? ''}`.trim())
      if (status === 201) made.push(body.id)
    }
  })()
  return {
    made,
    async stop () {
      over.abort()
      await Promise.all([pushes, keys])
      return [...answers].sort()
    }
  }
}

const storeOf = async (server: Server) => (await read(server, '/health')).store

for (const [name, start] of Object.entries(STORES)) {
  t.test(`while ${name} is killed and started in mid-traffic, displays, pushes and ends go on, creations are refused, and nothing that was promised is lost`, async t => {
    const store = await start(t)
    const server = await serve(t, { ...socketDisplay(t), EX10_AUTH: 'keys', EX10_STORE: store.url })
    const ada = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
    const unused = as(server, await keysCommand(server, 'create', '--user', 'eve'))
    const [session, other] = [await createSession(ada), await createSession(ada)]
    const socket: WebSocket = await openSocket(t, session, ada.headers)
    t.match(await storeOf(server), { state: 'here', waiting: 0, dropped: 0 })

    const busy = traffic(ada, session)
    await eventually('some keys', () => busy.made.length > 5, 30_000)
    await store.stop('SIGKILL')
    const since = new Date().toISOString()
    await eventually('a store that is away', async () => (await storeOf(server)).state === 'away')
    const before = busy.made.length
    for (const path of ['/createSession', '/ready']) t.match(await ask(ada, path), { status: 503, body: { code: 'EX10_STORE_UNAVAILABLE' }, headers: { 'retry-after': '5' } }, path)
    t.match(await ask(unused, '/sessions'), { status: 503, body: { code: 'EX10_STORE_UNAVAILABLE' } }, 'a key that the server has not seen cannot be checked')
    t.equal((await endSession(ada, other.id)).status, 200, 'a session ends')
    t.equal((await ask(ada, '/sessions')).body.sessions.length, 1, 'a key that it has seen goes on')
    t.equal((await fetch(`${session.url}index.html`, { headers: ada.headers! })).status, 200, 'the display can be opened')
    const second = await openSocket(t, session, ada.headers)
    const { waiting, ...rest } = await storeOf(server)
    t.match(rest, { state: 'away', since: String, dropped: 0 })
    t.ok(waiting >= 3, `${waiting} writes wait`)
    t.equal(busy.made.length, before, 'no key is made')

    await store.start()
    await eventually('the store', async () => (await storeOf(server)).state === 'here', 30_000)
    const back = new Date().toISOString()
    await eventually('a new key', () => busy.made.length > before)
    const { made } = busy
    t.strictSame(await busy.stop(), ['key 201', 'key 503 EX10_STORE_UNAVAILABLE', 'push 200'])
    for (const each of [socket, second]) t.equal(each.readyState, each.OPEN, 'the display stays open')
    t.strictSame((await pastEvents(ada, session.id)).map(({ type }) => type).filter(type => type.startsWith('store-')), ['store-away', 'store-back'])
    t.equal(server.output().match(/"store away"/g)?.length, 1, 'the log says so once')

    const kept = new Set((await ask(ada, '/admin/keys')).body.keys.map(({ id }: { id: string }) => id))
    t.strictSame(made.filter(id => !kept.has(id)), [], 'each key that was promised is there')
    const entries = async (query: string): Promise<{ action: string, target: string, at: string }[]> => (await ask(ada, `/admin/audit-log?${query}`)).body.entries
    t.equal((await ask(ada, '/admin/audit-log?verify=true')).body.intact, true)
    t.strictSame((await entries('action=key.created&limit=500')).map(({ target }) => target).filter(id => made.includes(id)).sort(), made.toSorted(), 'and has one entry')
    const ofEnd = (await entries(`target=${other.id}`)).toReversed()
    t.strictSame(ofEnd.map(({ action }) => action), ['session.created', 'session.end', 'session.ended'])
    for (const { at } of ofEnd.slice(1)) t.ok(since <= at && at <= back, 'with the time of the deed')
    t.equal((await endSession(ada, (await createSession(ada)).id)).status, 200)
    await eventually('an end of all that ended sessions left', async () => (await auditFromServer(ada)).leaked.length === 0, 30_000)
    await assertEndsClean(t, ada)
  })
}

t.test('a push that was answered while the store was away is there after a kill of the server', async t => {
  const store = await startPostgres(t)
  const server = await serve(t, { ...lightDisplay(), EX10_STORE: store.url })
  const session = await createSession(server)
  const push = async (content: string) => t.equal((await pushCode(server, { sessionId: session.id, filePath: 'x.js', content })).status, 200)
  const versions = async (server: Server): Promise<number[]> => (await ask(server, `/sessions/${session.id}/versions`)).body.versions.map(({ version }: { version: number }) => version).sort()
  await push('one')
  await eventually('the first version', async () => (await versions(server)).includes(1))

  await store.stop('SIGKILL')
  await eventually('a store that is away', async () => (await storeOf(server)).state === 'away')
  for (const content of ['two', 'three']) await push(content)
  await eventually('versions that wait', async () => (await storeOf(server)).waiting > 0)
  await delay(1000) // all of the two pushes waits
  await server.stop('SIGKILL')

  await store.start()
  const again = await next(t, server)
  await eventually('all versions', async () => (await versions(again)).join() === '0,1,2,3', 30_000)
  const content = await fetch(`${again.url}/sessions/${session.id}/versions/3/files/x.js`)
  t.equal(await content.text(), 'three')
  t.equal((await endSession(again, session.id)).status, 200)
  await assertEndsClean(t, again)
})
