import { execFileSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { listMachine } from '#support/servers/machine.ts'
import { inside, readFacts } from '#support/sandbox.ts'
import { read } from '#support/servers/client.ts'
import { refusalOf, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, placeOf, pushCode, testEnv } from '#support/servers/server.ts'

t.test('a session whose parts are dead or lie harms nobody but itself', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const services = `${server.dataDir}/sessions/${session.id}/services`
  const health = async () => (await read(server, '/sessions/:id', { id: session.id })).health

  await t.test('without its Xpra, its pages are a clear error, and the server goes on', async t => {
    t.equal((await fetch(`${session.url}Status`)).status !== 502, true, 'before, Xpra answers')
    execFileSync('s6-svc', ['-wD', '-d', `${services}/xpra`])
    const answer = await fetch(`${session.url}Status`)
    t.match({ status: answer.status, body: await answer.json() }, { status: 502, body: { success: false, code: 'EX10_BAD_GATEWAY' } })
    t.equal(await health(), 'degraded')
    t.equal((await fetch(`${server.url}/health`)).status, 200)
    execFileSync('s6-svc', ['-u', `${services}/xpra`])
    await eventually('Xpra is back', async () => (await fetch(`${session.url}Status`)).status !== 502, 30_000)
  })

  await t.test('an Xpra that answers nonsense is a clear error, too', async t => {
    const { slot } = readFacts(server, session.id)
    const answers = ['HTTP/1.1 099 X\r\n\r\n', 'garbage\r\n\r\n', 'HTTP/1.1 200 OK\r\nX: a\u0001\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', '']
    const control = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
    renameSync(`${services}/xpra/argv`, `${services}/xpra/argv.away`) // the supervision starts it again, in vain
    execFileSync('s6-svc', ['-wD', '-d', `${services}/xpra`])
    for (const text of [...answers, control]) {
      const liar = createServer(socket => { socket.on('error', () => {}); socket.end(text) })
      await once(liar.listen(slot.displayPort, '127.0.0.1'), 'listening')
      const answer = await fetch(`${session.url}Status`)
      const { code } = answer.status === 502 ? await answer.json() as { code?: string } : {}
      t.strictSame([answer.status, code], text === control ? [404, undefined] : [502, 'EX10_BAD_GATEWAY'], JSON.stringify(text))
      liar.close()
      t.equal((await fetch(`${server.url}/health`)).status, 200, 'the server goes on')
    }
    renameSync(`${services}/xpra/argv.away`, `${services}/xpra/argv`)
    execFileSync('s6-svc', ['-u', `${services}/xpra`])
  })

  await t.test('with a browser that is gone, a push is written and the person hears that it was not reloaded', async t => {
    // it is started again whenever it ends: without its command, in vain
    renameSync(`${services}/browser/argv`, `${services}/browser/argv.away`)
    execFileSync('s6-svc', ['-k', `${services}/browser`])
    const pushed = await pushCode(server, { sessionId: session.id, filePath: 'background.js', content: 'self.token = 1' })
    t.equal(pushed.status, 200)
    const problems = async () => (await read(server, '/sessions/:id', { id: session.id })).problems
    await eventually('the problem', async () => (await problems()).length > 0, 60_000)
    t.strictSame(await problems(), [{ kind: 'not-reloaded', message: 'The code was written, but could not be built or reloaded: push again' }])
  })

  t.equal((await endSession(server, session.id)).status, 200)
})

t.test('a server that cannot listen says why in one line, and leaves nothing behind', async t => {
  const taken = createServer()
  await once(taken.listen(0, '127.0.0.1'), 'listening')
  const { port } = taken.address() as { port: number }
  const env = testEnv({ EX10_PORT: String(port) })
  t.match(await refusalOf(env), /ended with 1: ex10: EX10_PORT=\d+ cannot be used: [^\n]+\n$/)
  taken.close()
  t.strictSame(await listMachine(placeOf(env)), [])
})

t.test('a setting that cannot be used stops the start with one line that names it', async t => {
  for (const [name, value] of [['EX10_TEMPLATE', 'nope'], ['EX10_HOST', '192.0.2.1'], ['EX10_FAILPOINT', 'nope:before:throw'], ['EX10_ORIGINS', '*'], ['EX10_TRUST_PROXY', 'foo']] as const) {
    t.match(await refusalOf(testEnv({ [name]: value, EX10_ALLOW_INSECURE: '1' })), new RegExp(`ended with 1: ex10: ${name}=[^\\n]+\\n$`), name)
  }
})

t.test('a session that stops every process of its own still ends, as fast as any other', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const own = await inside(t, server, session)
  // the shell stops all that it may signal, itself left out
  await own.run(['sh', '-c', 'kill -STOP -1'])
  const stopped = await pushCode(server, { sessionId: session.id, filePath: 'a.js', content: 'x' })
  t.match({ status: stopped.status, body: await stopped.json() }, { status: 502, body: { code: 'EX10_WRITER_FAILED' } }, 'a push is a clear error')
  const startedAt = performance.now()
  t.equal((await endSession(server, session.id)).status, 200)
  const ms = Math.round(performance.now() - startedAt)
  t.ok(ms < 5000, `nobody waits for what does not move: ${ms} ms`)
})
