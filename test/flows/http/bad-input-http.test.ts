import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Value } from '@sinclair/typebox/value'
import t, { type Test } from 'tap'
import { ErrorReply } from '#schemas/common.ts'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { INSPECTED } from '#support/servers/inspector.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { exchange, type RawExchange } from '#support/inputs/raw-http.ts'
import { rawRequests, type RawRequest } from '#support/inputs/raw-requests.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'
import { keptMemory } from '#support/servers/server-process.ts'
import { tally } from '#support/servers/tally.ts'

const AT_ONCE = 24
/** Of all of them: before the memory is first looked at, and then. */
const [WARM_UP, ROUNDS] = [2, 4]

async function send (server: Server, { pieces, answers, unfinished }: RawRequest): Promise<RawExchange> {
  return exchange(server.url, pieces, { answers: unfinished ? 0 : answers.length || Infinity })
}

function assertForm (t: Test, { status, headers, body }: { status: number, headers: Record<string, string>, body: string }, name: string): void {
  if (status < 400) return
  t.ok(headers['x-request-id'] && Value.Check(ErrorReply, JSON.parse(body)), `${name}: ${status} has the one form of errors, and an id`)
}

/** Connections that stay open and send this, if anything. */
async function hold (t: Test, server: Server, count: number, text = ''): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(Number(new URL(server.url).port), '127.0.0.1'))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  for (const socket of sockets) socket.on('error', () => {}).resume()
  await Promise.all(sockets.map(async socket => {
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    socket.write(text)
  }))
  return sockets
}

const answers = (server: Server) => exchange(server.url, ['GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'], { answers: 1 }).then(({ answers }) => answers[0]?.status === 200)

t.test('requests that no client would send are answered in the one form or not at all, and hide no other request', async t => {
  const server = await serve(t, { ...lightDisplay(), ...INSPECTED })
  const { id } = await createSession(server)
  const requests = rawRequests(id)

  /** Sends all of them; `check` looks at what came of each. */
  async function sendAll (check: (request: RawRequest, exchange: RawExchange) => void = () => {}): Promise<void> {
    const left = [...requests]
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let request = left.shift(); request; request = left.shift()) check(request, await send(server, request))
    }))
  }

  await t.test('smuggling, wrong hosts, first lines, headers, bodies and pipelines', async t => {
    await sendAll((request, { answers, rest }) => {
      t.strictSame([...answers.map(({ status }) => status), rest], [...request.answers, ''], request.name)
      for (const answer of answers) assertForm(t, answer, request.name)
    })
    t.match(await read(server, '/health'), { status: 'ok', sessions: 1 }, 'no session was made')
    t.match(await read(server, '/sessions/:id', { id }), { state: 'ready', health: 'ok', version: 0 }, 'nor ended, nor changed')
    t.ok(requests.length >= 200)
    tally(t, 'raw HTTP requests', requests.length)
  })

  await t.test('who sends nothing, or not all, or all too slowly, is told so and sent away', async t => {
    const head = 'GET /health HTTP/1.1\r\nHost: localhost\r\n'
    const slow = Array.from({ length: 20 }, (_, i) => `X${i}: ${i}\r\n`)
    const trickled = (async () => {
      const [socket] = await hold(t, server, 1, head)
      let heard = ''
      socket!.on('data', chunk => { heard += chunk })
      for (const line of slow) {
        if (socket!.closed) break
        socket!.write(line)
        await delay(1000)
      }
      return heard
    })()
    const refused = await Promise.all(['', head, 'POST /updateCode HTTP/1.1\r\nHost: loc'].map(text => exchange(server.url, [text], { answers: Infinity, ms: 30_000 })))
    for (const { answers } of refused) {
      t.strictSame(answers.map(({ status }) => status), [408])
      assertForm(t, answers[0]!, 'too slow')
    }
    t.match(await trickled, /^HTTP\/1\.1 408 /, 'also who sends a line every second')
    tally(t, 'raw HTTP requests', 4)
  })

  await t.test('however many there are, they leave nothing in the server', async t => {
    for (let round = 0; round < WARM_UP; round++) await sendAll()
    const before = await keptMemory(server)
    for (let round = 0; round < ROUNDS; round++) await sendAll()
    const after = await keptMemory(server)
    t.ok(after < before * 1.05, `what it keeps grew from ${before} to ${after} KiB`)
  })

  t.equal((await endSession(server, id)).status, 200)
  await assertEndsClean(t, server)
})

t.test('connections are limited, and those between two requests make room for others at once', async t => {
  const server = await serve(t, lightDisplay())
  const idle = await hold(t, server, 4200, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually('no more than allowed', () => idle.filter(socket => socket.closed).length >= 104)
  await eventually('the server answers', () => answers(server), 10_000)
  await assertEndsClean(t, server)
})

t.test('whoever takes all connections and sends nothing is sent away after some seconds', async t => {
  const server = await serve(t, lightDisplay())
  await hold(t, server, 3000)
  // of many at once the kernel forgets some, which their side takes for connected: more come until it is full
  await eventually('full: a further connection is closed', async () => {
    await hold(t, server, 200)
    return !await answers(server)
  }, 8000)
  await eventually('the server answers, after the ten seconds that a request may take to begin', () => answers(server), 30_000)
  await assertEndsClean(t, server)
})
