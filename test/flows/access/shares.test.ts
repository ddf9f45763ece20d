import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { clientFrame } from '#support/inputs/frames.ts'
import { packet, PING } from '#support/inputs/hostile-frames.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { createSession, endSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'
import { openSharedSocket, openSocket, readMeta, readPageMeta, socketDisplay } from '#support/display/socket-display.ts'
import { standInDisplay } from '#support/display/stand-in-display.ts'

interface Link { id: string, mode: string, url: string, expiresAt: string }

const shareOf = (server: Server, { id }: CreatedSession, body: object) => ask(server, `/sessions/${id}/shares`, { method: 'POST', body })
const share = async (server: Server, session: CreatedSession, mode: string, expiresIn = 600): Promise<Link> => (await shareOf(server, session, { mode, expiresIn })).body
const listed = async (server: Server, { id }: CreatedSession) => (await read(server, '/sessions/:id/shares', { id })).shares

/** How the server closed the connection. */
async function closing (socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = await once(socket, 'close') as [number, Buffer]
  return [code, reason.toString()]
}

/** How a WebSocket's handshake with this ticket is answered: the status, and when to come again. */
async function upgrade ({ url }: CreatedSession, ticket: string): Promise<[status: number, retryAfter?: string | undefined]> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}socket?ticket=${ticket}`, 'binary')
  const { promise, resolve } = Promise.withResolvers<[number, string?]>()
  socket.on('error', () => {}).on('open', () => { resolve([101]); socket.terminate() })
  socket.on('unexpected-response', (request, { statusCode = 0, headers }) => { resolve([statusCode, headers['retry-after']]); request.destroy() })
  return promise
}

async function serveUsers (t: Test, settings: Record<string, string> = {}) {
  const server = await serve(t, { ...socketDisplay(t), EX10_AUTH: 'keys', ...settings })
  const user = async (...words: string[]) => as(server, await keysCommand(server, 'create', '--user', ...words))
  return { server, admin: await user('ada', '--role', 'admin'), anna: await user('anna'), watcher: await user('anna', '--scopes', 'view'), ben: await user('ben') }
}

t.test('a link shows a session to whoever has it, until it is revoked; only its owner and admins give links away', async t => {
  const { server, admin, anna, watcher, ben } = await serveUsers(t)
  const session = await createSession(anna)
  for (const body of [{}, { mode: 'edit' }, { mode: 'view', expiresIn: 0 }, { mode: 'view', expiresIn: 1.5 }, { mode: 'view', expiresIn: 604_801 }, { mode: 'view', sessionId: 'x' }]) {
    t.match(await shareOf(anna, session, body), { status: 400, body: { code: 'EX10_BAD_REQUEST' } }, JSON.stringify(body))
  }
  t.match(await shareOf(watcher, session, { mode: 'view' }), { status: 403, body: { code: 'EX10_FORBIDDEN' } }, 'nor does a key that only looks')

  const made = await shareOf(anna, session, { mode: 'view' })
  t.match([made.status, made.headers['cache-control'], made.body], [201, 'no-store', { mode: 'view', url: new RegExp(`^${server.url}/share/[\\w-]{43}$`) }])
  t.ok(Math.abs(Date.parse(made.body.expiresAt) - Date.now() - 86_400_000) < 60_000, 'for a day, unless it is said')
  const other = await share(admin, session, 'control')
  const secret = made.body.url.split('/').at(-1)

  const page = await fetch(made.body.url)
  t.equal(page.status, 200)
  t.match(Object.fromEntries(page.headers), { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'content-security-policy': /^sandbox allow-scripts/ })
  t.notMatch(await page.text(), secret, 'the page does not say it again')
  t.equal(await readPageMeta(made.body.url, 'mode'), 'view')
  t.equal(await readPageMeta(other.url, 'mode'), 'control')
  for (const token of ['x', secret.slice(0, -1), secret + 'x', 'A'.repeat(43), '%00', made.body.id]) {
    t.equal((await ask(server, `/share/${token}`)).status, 404, `not with ${token.slice(0, 8)}`)
  }
  t.match((await ask(server, `/share/${'A'.repeat(43)}`)).body, { success: false, code: 'EX10_SHARE_NOT_FOUND' })
  for (const path of [`/session/${session.id}/index.html`, `/sessions/${session.id}`, `/session/${session.id}/connect.html`]) t.equal((await ask(server, path)).status, 401, `it opens nothing else: ${path}`)

  const looking = await openSharedSocket(t, session, made.body.url)
  const acting = await openSharedSocket(t, session, other.url)
  t.match(await listed(anna, session), [{ id: made.body.id, mode: 'view', createdBy: 'anna', viewers: 1 }, { id: other.id, mode: 'control', createdBy: 'ada', viewers: 1 }])
  for (const user of [admin, watcher]) t.strictSame(await listed(user, session), await listed(anna, session))
  t.notMatch(JSON.stringify(await listed(anna, session)), secret, 'no link is shown again')

  const unknown = { ...session, id: 'f'.repeat(32) }
  const foreign: ((session: CreatedSession) => Promise<{ status: number, body: unknown }>)[] = [
    session => shareOf(ben, session, { mode: 'view' }), ({ id }) => ask(ben, `/sessions/${id}/shares`), ({ id }) => ask(ben, `/sessions/${id}/shares/${made.body.id}`, { method: 'DELETE' })
  ]
  for (const request of foreign) {
    const [theirs, nobodys] = [await request(session), await request(unknown)]
    t.equal(theirs.status, 404)
    t.strictSame(theirs.body, nobodys.body, 'as of a session that never was')
  }

  const ticket = await readPageMeta(made.body.url, 'ticket')
  const looker = await readPageMeta(made.body.url, 'token')
  const state = `/session/${session.id}/state?token=${looker}`
  const keep = (token: string) => fetch(`${session.url}keep`, { method: 'POST', headers: { origin: 'null', 'content-type': 'text/plain' }, body: token })
  t.match((await ask(server, state)).body, { state: 'ready', display: true }, 'the page hears that the session lives')
  t.equal((await keep(looker)).status, 403, 'who only looks does not keep it')
  const closed = closing(looking)
  t.equal((await ask(watcher, `/sessions/${session.id}/shares/${made.body.id}`, { method: 'DELETE' })).status, 403)
  t.equal((await ask(anna, `/sessions/${session.id}/shares/${made.body.id}`, { method: 'DELETE' })).status, 200)
  t.strictSame(await closed, [4403, 'the link was revoked'], 'who looks by a link that is revoked is disconnected')
  t.equal((await ask(server, `/share/${secret}`)).status, 404, 'it opens nothing any more')
  t.strictSame(await upgrade(session, ticket), [403, undefined], 'nor does a ticket that it gave')
  t.match(await ask(server, state), { status: 404, body: { code: 'EX10_SHARE_NOT_FOUND' } }, 'and the page hears why')
  t.match(await ask(anna, `/sessions/${session.id}/shares/${made.body.id}`, { method: 'DELETE' }), { status: 404, body: { code: 'EX10_SHARE_NOT_FOUND' } })
  t.equal(acting.readyState, WebSocket.OPEN, 'others are not disturbed')
  t.match((await listed(anna, session)).map(({ id }) => id), [other.id])

  const token = await readPageMeta(other.url, 'token')
  t.equal((await keep(token)).status, 200, 'who may act keeps the session')
  t.equal((await ask(admin, `/sessions/${session.id}/shares/${other.id}`, { method: 'DELETE' })).status, 200)
  t.equal((await keep(token)).status, 404, 'and not any more once the link is revoked')

  const files = readdirSync(server.dataDir).filter(name => name.startsWith('shares.db'))
  t.ok(files.includes('shares.db'))
  for (const file of files) {
    t.equal(statSync(`${server.dataDir}/${file}`).mode & 0o777, 0o600)
    t.notOk(readFileSync(`${server.dataDir}/${file}`).includes(secret), 'no link is kept, only what it is known by')
  }
  await fetch(`${made.body.url}/more`)
  t.notMatch(server.output(), secret, 'nor logged')
  t.match(server.output(), /\/share\/…/, 'though the request is')
  t.equal((await endSession(anna, session.id)).status, 200)
  await assertEndsClean(t, admin)
})

t.test('what becomes of a session is told to the pages of those who may look at it, and to nobody else', async t => {
  const { server, admin, anna, ben } = await serveUsers(t)
  const [session, another] = [await createSession(anna), await createSession(anna)]
  const key = await keysCommand(server, 'create', '--user', 'anna')
  const tokenOf = (session: CreatedSession, headers?: Record<string, string>) => readMeta(session, 'token', headers)
  const token = await tokenOf(session, as(server, key).headers)
  const state = async ({ id }: CreatedSession, token?: string, from: Pick<Server, 'url'> = server) => {
    const answer = await fetch(`${from.url}/session/${id}/state${token === undefined ? '' : `?token=${token}`}`)
    return [answer.status, (await answer.json() as { code?: string }).code]
  }
  t.strictSame(await state(session, token), [200, undefined])
  t.strictSame(await state(session, await tokenOf(session, admin.headers)), [200, undefined], 'an admin\'s page, too')
  const never = [404, 'EX10_SESSION_NOT_FOUND']
  const [signature, says = ''] = token.split('.') as [string, string]
  const [mode, kind] = Buffer.from(says, 'base64url').toString().split(' ')
  const forged = [undefined, '', 'x', signature, `${signature}.`, `${signature}.${Buffer.from(`${mode} none `).toString('base64url')}`, `${signature}.${Buffer.from(`${mode} ${kind} x`).toString('base64url')}`, `${token}A`]
  for (const token of forged) t.strictSame(await state(session, token), never, `not with ${token}`)
  t.strictSame(await state(session, await tokenOf(another, anna.headers)), never, 'nor with that of another session')
  t.equal(await tokenOf(session, ben.headers), '', 'others get no page')
  await fetch(`${server.url}/session/${session.id}/state?x=1&token=${token}`)
  t.notMatch(server.output(), signature, 'no token is logged')

  await server.stop('SIGKILL')
  const again = await next(t, server)
  t.strictSame(await state(session, token, again), [200, undefined], 'a page that is open comes back to the next server')
  const list = (await keysCommand(server, 'list')).split('\n')
  await keysCommand(server, 'revoke', list.filter(line => line.includes('anna')).at(-1)!.split(' ')[0]!)
  t.strictSame(await state(session, token, again), [401, 'EX10_UNAUTHENTICATED'], 'the key that let it in is revoked, and it is told to log in')
  const keep = await fetch(`${again.url}/session/${session.id}/keep`, { method: 'POST', headers: { origin: 'null', 'content-type': 'text/plain' }, body: token })
  t.equal(keep.status, 401, 'nor does it keep the session')
  const link = await share({ ...again, headers: anna.headers! }, another, 'view')
  const byLink = await readPageMeta(link.url, 'token')
  t.strictSame(await state(another, byLink, again), [200, undefined])
  for (const { id } of [session, another]) await endSession({ ...again, headers: anna.headers! }, id)
  t.strictSame(await state(session, token, again), never, 'nor is it told more when the session has ended')
  t.strictSame(await state(another, byLink, again), never, 'a page by a link hears that the session has ended, not that its link is bad')
  await assertEndsClean(t, { ...again, headers: admin.headers! })
})

t.test('a link ends by its time and with its session, and not with the server; a session has so many of them', async t => {
  const { server, admin, anna } = await serveUsers(t)
  const session = await createSession(anna)
  const short = await share(anna, session, 'control', 5)
  const long = await share(anna, session, 'view')
  const closed = closing(await openSharedSocket(t, session, short.url))
  t.strictSame(await closed, [4403, 'the link has expired'])
  t.ok(Date.now() >= Date.parse(short.expiresAt), 'not before its time')
  t.equal((await fetch(short.url)).status, 404)
  t.match((await listed(anna, session)).map(({ id }) => id), [long.id])

  await server.stop('SIGKILL')
  const again = await next(t, server)
  const moved = (url: string) => url.replace(server.url, again.url)
  t.equal((await fetch(moved(long.url))).status, 200, 'the next server knows it')
  t.equal((await fetch(moved(short.url))).status, 404)
  const owner = { ...again, headers: anna.headers! }
  const here = { ...session, url: moved(session.url) }

  const more = await Promise.all(Array.from({ length: 19 }, () => share(owner, here, 'view')))
  const refused = await shareOf(owner, here, { mode: 'view' })
  t.match([refused.status, refused.headers['retry-after'], refused.body], [429, '10', { code: 'EX10_TOO_MANY_SHARES' }])
  t.equal((await ask(owner, `/sessions/${session.id}/shares/${more[0]!.id}`, { method: 'DELETE' })).status, 200)
  t.equal((await shareOf(owner, here, { mode: 'view' })).status, 201, 'one in the place of another')

  const sockets = await Promise.all(Array.from({ length: 24 }, () => openSharedSocket(t, here, moved(long.url))))
  t.strictSame(await upgrade(here, await readPageMeta(moved(long.url), 'ticket')), [429, '10'], 'who has a link does not take all places')
  const gone = sockets.map(socket => once(socket, 'close'))
  t.equal((await endSession(owner, session.id)).status, 200)
  await Promise.all(gone)
  t.equal((await fetch(moved(long.url))).status, 404, 'with its session, it has ended')
  await assertEndsClean(t, { ...again, headers: admin.headers! })
})

t.test('a link that was made where nobody had to say who they are is not good where people have to', async t => {
  const server = await serve(t, { ...socketDisplay(t), EX10_ON_SHUTDOWN: 'keep' })
  const session = await createSession(server)
  const link = await share(server, session, 'control')
  t.equal((await fetch(link.url)).status, 200, 'the control')
  t.equal(await server.stop(), 0)
  const again = await next(t, { env: { ...server.env, EX10_AUTH: 'keys', EX10_ON_SHUTDOWN: 'end' } })
  t.equal((await fetch(link.url.replace(server.url, again.url))).status, 404)
  const admin = as(again, await keysCommand(again, 'create', '--user', 'ada', '--role', 'admin'))
  t.strictSame(await listed(admin, session), [])
  await assertEndsClean(t, admin)
})

t.test('by a link to look, nothing gets to the display but what looking needs, however it is sent', async t => {
  const server = await serve(t, socketDisplay(t))
  const session = await createSession(server)
  const display = await standInDisplay(t, server, session)
  const reached: string[] = []
  display.on('connection', socket => {
    socket.on('message', data => reached.push((data as Buffer).subarray(8).toString('latin1')))
    socket.send(packet('l10:new-windowi3ei0ei0ei800ei600edee'))
  })
  const { url } = await share(server, session, 'view')
  const control = await share(server, session, 'control')
  const key = packet('l10:key-actioni1e1:ai1elei97e1:ai38ei0ee')
  const pointer = packet('l16:pointer-positioni1eli5ei5eeleled')
  const idleMs = async () => (await read(server, '/sessions/:id', { id: session.id })).idleMs!

  const cheats: Record<string, [frames: Buffer[], code: number]> = {
    'a key': [[clientFrame(key)], 1008],
    'the pointer': [[clientFrame(pointer)], 1008],
    ...Object.fromEntries(['button-action', 'wheel-motion', 'clipboard-token', 'clipboard-contents', 'focus', 'close-window', 'configure-window', 'desktop_size', 'layout-changed', 'unmap-window', 'shutdown-server', 'set-cursors']
      .map(name => [name, [[clientFrame(packet(`l${name.length}:${name}i1ee`))], 1008] as [Buffer[], number]])),
    'a key behind a ping': [[clientFrame(Buffer.concat([PING, key]))], 1003],
    'a key that says that it is compressed': [[clientFrame(Buffer.concat([Buffer.from([0x50, 0, 0x11, 0]), key.subarray(4)]))], 1003],
    'a key as a chunk': [[clientFrame(Buffer.concat([Buffer.from([0x50, 0, 0, 1]), key.subarray(4)]))], 1003],
    'a key of another encoder': [[clientFrame(Buffer.concat([Buffer.from([0x50, 1, 0, 0]), key.subarray(4)]))], 1003],
    'a key in two fragments': [[clientFrame(key.subarray(0, 12), { final: false }), clientFrame(key.subarray(12), { opcode: 0 })], 1003],
    'a key in a compressed frame': [[clientFrame(key, { reserved: 0x40 })], 1002],
    'a key as text': [[clientFrame(key, { opcode: 1 })], 1003],
    'a name by its number': [[clientFrame(packet('li5ei1ee'))], 1003],
    'two hellos': [[clientFrame(packet('l5:hellodee')), clientFrame(packet('l5:hellod7:request4:stopee'))], 1008],
    'a window without a number': [[clientFrame(packet('l10:map-windowi0ei0ei0ei8ei6ee'))], 1008]
  }
  for (const [what, [frames, code]] of Object.entries(cheats)) {
    const socket = await openSharedSocket(t, session, url)
    const { _socket: raw } = socket as unknown as { _socket: { write (bytes: Buffer): void } }
    const closed = closing(socket)
    for (const frame of frames) raw.write(frame)
    t.equal((await closed)[0], code, what)
  }
  t.strictSame(reached.filter(text => !text.startsWith('l5:hellod7:version5:3.1.3')), [], 'nothing of it reached the display, but the hello that we make')
  t.ok(reached.every(text => !text.includes('request')))
  const idle = await idleMs()

  reached.length = 0
  const looking = await openSharedSocket(t, session, url)
  const map = packet('l10:map-windowi3ei5ei5ei80ei60ed5:eventi1eed10:fullscreeni1eee')
  for (const message of [packet('l5:hellod7:request4:stopee'), PING, map]) looking.send(message)
  await eventually('it reached the display', () => reached.length === 3)
  t.match(reached, [/^l5:hellod7:version/, /^l4:ping/, 'l10:map-windowi3ei0ei0ei800ei600edede'], 'the control: what looking needs, made plain; and a window as the display has it')
  t.notMatch(reached[0], /request/)

  const acting = await openSharedSocket(t, session, control.url)
  const owner = await openSocket(t, session)
  for (const socket of [acting, owner]) socket.send(packet('l5:hellod7:version5:3.1.3ee'))
  looking.send(map)
  looking.send(PING)
  await eventually('a ping', () => reached.filter(text => text.startsWith('l4:ping')).length === 2)
  t.equal(reached.filter(text => text.includes('map-window')).length, 1, 'it sizes no window while somebody looks who may act')
  t.ok(await idleMs() >= idle, 'nobody has acted so far')
  const keyAt = performance.now()
  acting.send(key)
  await eventually('the key', () => reached.includes(key.subarray(8).toString('latin1')))
  t.ok(await idleMs() < performance.now() - keyAt + 100, 'who may act has, now')
  for (const order of ['7:request4:stop', '12:stop_requesti1e', '15:command_requestl4:exite', '4:locki1e']) {
    const socket = await openSharedSocket(t, session, control.url)
    const closed = closing(socket)
    socket.send(packet(`l5:hellod${order}ee`))
    t.equal((await closed)[0], 1008, `nor may anybody's hello hold an order: ${order}`)
  }
  t.notOk(reached.some(text => /stop|command|lock/.test(text)))

  for (const socket of [looking, acting, owner]) socket.close()
  t.equal((await endSession(server, session.id)).status, 200)
  display.close()
  await assertEndsClean(t, server)
})
