import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { assertAsBefore, assertEndsClean, beginCreation, listSessions, next, refusalOf, serve } from '#support/servers/creation.ts'
import { listMachine } from '#support/servers/machine.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'
import { lightDisplay } from '#support/display/light-display.ts'

t.test('what a killed server left half-made or half-ended is undone by the next, beside what lives', async t => {
  let server = await serve(t)
  const first = await createSession(server)
  const left = async () => (await listSessions(server)).map(({ id, state }) => [id, state])
  for (const step of ['user', 'sandbox', 'browser']) {
    const creation = await beginCreation(server)
    await creation.until(step)
    await server.stop('SIGKILL')
    await creation.end().catch(() => {}) // broken off
    server = await next(t, server)
    t.strictSame(await left(), [[first.id, 'ready']], `killed at ${step}: only what was ready lives`)
    t.equal((await listMachine(server)).filter(line => line.startsWith('passwd: ')).length, 1, `killed at ${step}: one account`)
  }
  await server.stop('SIGKILL')
  server = await next(t, { env: { ...server.env, EX10_FAILPOINT: 'undo-firewall:before:hang' } })
  const second = await createSession(server)
  const ending = endSession(server, second.id).catch(() => {}) // broken off
  await eventually('an end that began', async () => (await listSessions(server)).some(({ state }) => state === 'stopping'))
  await server.stop('SIGKILL')
  await ending
  server = await next(t, { env: { ...server.env, EX10_FAILPOINT: '' } })
  t.strictSame(await left(), [[first.id, 'ready']])
  t.equal((await endSession(server, first.id)).status, 200)
  await assertAsBefore(t, server, (await listMachine(server)).filter(line => /^(table|cgroup)/.test(line)), 'all is ended')
  await assertEndsClean(t, server)
})

/** What the server looks for last when it starts is not there. */
const NO_XPRA_CLIENT = ['unshare', '--mount', '--', 'sh', '-ec', 'mount -t tmpfs tmpfs /usr/share/xpra/www; exec "$0" "$@"']

t.test('a start that fails leaves the sessions of an earlier server to the next one', async t => {
  let server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  await server.stop('SIGKILL')
  t.match(await refusalOf(server.env, NO_XPRA_CLIENT), /the server ended with 1: [^]*\/usr\/share\/xpra\/www/)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.match(await refusalOf({ ...server.env, EX10_PORT: String((taken.address() as AddressInfo).port) }), /another program listens there/)
  taken.close()
  server = await next(t, server)
  t.match(await listSessions(server), [{ id, state: 'ready' }])
  t.equal((await endSession(server, id)).status, 200)
  await assertEndsClean(t, server)
})

t.test('a session whose sandbox died while no server ran is ended by the next, and says so in the log', async t => {
  let server = await serve(t)
  const session = await createSession(server)
  const { init } = await inside(t, server, session)
  await server.stop('SIGKILL')
  process.kill(init, 'SIGKILL')
  server = await next(t, server)
  t.strictSame(await listSessions(server), [])
  t.match(server.output(), 'its sandbox is dead')
  await assertEndsClean(t, server)
})
