import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, beginCreation, listSessions, listStates, serve } from '#support/servers/creation.ts'
import { openEvents } from '#support/servers/event-socket.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

/** Sends a request of which the last byte of the body comes only after `meanwhile`; returns the answer's status. */
async function slowly (server: Server, method: string, path: string, body: string, meanwhile: () => Promise<unknown>): Promise<number> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${server.headers!.authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.slice(0, -1)}`)
  // it was taken up: the server logs each request when its head is there
  await eventually('the request', () => server.output().includes(`"method":"${method}","url":"${path}"`))
  await meanwhile()
  socket.write(body.slice(-1))
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return Number(/^HTTP\/1\.1 (\d+)/.exec(String(answer))?.[1])
}

async function serveWithKeys (t: Test, settings: Record<string, string> = {}) {
  const browser = heldBrowser(t)
  const server = await serve(t, { ...browser.settings, EX10_AUTH: 'keys', ...settings })
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const user = async (...words: string[]) => as(server, await keysCommand(server, 'create', '--user', ...words))
  /** Takes all keys of a user out of force. */
  const revoke = async (user: string) => {
    for (const key of (await read(admin, '/admin/keys')).keys) {
      if (key.user === user) t.equal((await ask(admin, `/admin/keys/${key.id}`, { method: 'DELETE' })).status, 200, `${user} has no key any more`)
    }
  }
  return { server, admin, browser, user, revoke }
}

t.test('a request that is on its way while its key is revoked does nothing, and an open WebSocket is closed', async t => {
  const { server, admin, user, revoke } = await serveWithKeys(t)
  const [anna, eve] = [await user('anna'), await user('eve', '--role', 'admin')]
  const session = await createSession(anna)
  t.equal(await slowly(anna, 'POST', `/sessions/${session.id}/shares`, '{"mode":"view"}', async () => {}), 201, 'the control')
  t.equal(await slowly(eve, 'POST', '/admin/keys', '{"user":"mallory","role":"admin"}', () => revoke('eve')), 401, 'nobody makes a key with one that is revoked')
  t.notMatch(JSON.stringify(await read(admin, '/admin/keys')), 'mallory')
  const reader = await openEvents(t, anna, session.id)
  t.equal(await slowly(anna, 'POST', '/updateCode', JSON.stringify({ sessionId: session.id, filePath: 'a.js', content: '' }), () => revoke('anna')), 401, 'nor pushes')
  t.match((await listSessions(admin)).map(({ version }) => version), [0])
  t.strictSame(await reader.closed, [4403, 'you have been logged out'])
  t.equal((await endSession(admin, session.id)).status, 200)
  await assertEndsClean(t, { ...server, headers: admin.headers! })
})

t.test('a creation that waits for its turn, or is being made, is given up when its key is revoked', async t => {
  const { server, admin, browser, user, revoke } = await serveWithKeys(t, { EX10_MAX_SESSIONS: '2', EX10_WHEN_FULL: 'queue' })
  const [anna, ben] = [await user('anna'), await user('ben')]
  const first = await createSession(admin)
  browser.hold()
  const making = await beginCreation(anna)
  await making.until('browser')
  const waiting = await beginCreation(ben)
  t.match(await waiting.next(), { status: 'queued' })
  for (const [name, creation] of [['ben', waiting], ['anna', making]] as const) {
    await revoke(name)
    t.match((await creation.end()).at(-1), { status: 'error', data: { code: 'EX10_UNAUTHENTICATED' } }, `${name} reads why`)
  }
  browser.release()
  t.strictSame(await listStates(admin), [`${first.id} ready`], 'nothing of theirs is left, nor does anybody wait')
  t.match((await read(admin, '/admin/stats')).now, { total: 1, queued: 0 })
  t.equal((await endSession(admin, first.id)).status, 200)
  await assertEndsClean(t, { ...server, headers: admin.headers! })
})
