import { Value } from '@sinclair/typebox/value'
import t, { type Test } from 'tap'
import { STEPS } from '#domain/sessions/steps.ts'
import { ProgressLine } from '#schemas/progress.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { openEvents, refusalOf } from '#support/servers/event-socket.ts'
import { pastEvents } from '#support/servers/events.ts'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, eventually, readLines, type Server } from '#support/servers/server.ts'

const UNKNOWN = '0123456789abcdef0123456789abcdef'
const EDITOR = 'https://editor.example'

async function assertNothingMade (t: Test, server: Server, sessions: number) {
  t.match(await read(server, '/health'), { sessions }, 'no slot was taken')
  t.equal((await listSessions(server)).length, sessions, 'no session was made')
}

function assertCreation (t: Test, lines: ProgressLine[]) {
  for (const line of lines) t.ok(Value.Check(ProgressLine, line), JSON.stringify(line))
  const running = lines.filter(line => line.status === 'running')
  t.equal(running.length, lines.length - 1, 'exactly one line ends the stream')
  t.equal(lines.at(-1)?.status, 'complete', 'and it is the last')
  const steps = running.map(({ data }) => data.step).filter((step, i, all) => step !== all[i - 1]) // a slow step's line is repeated
  t.strictSame(steps, [...STEPS], 'the steps come in their order')
  for (const { data } of running) t.strictSame([data.index, data.of], [STEPS.indexOf(data.step) + 1, STEPS.length], `${data.step} is numbered`)
  const times = lines.map(line => 'elapsedMs' in line.data ? line.data.elapsedMs : 0)
  t.strictSame(times, times.toSorted((a, b) => a - b), 'time only grows')
}

t.test('the HTTP contract, on one server with one session', async t => {
  const server = await serve(t, { EX10_ORIGINS: `${EDITOR}, http://localhost:5173` })

  await t.test('what asks for no session makes none', async t => {
    t.match(await ask(server, '/createSession', { method: 'HEAD' }), { status: 405, headers: { allow: 'GET, OPTIONS' } }, 'a link checker\'s HEAD')
    for (const [name, value] of [['sec-purpose', 'prefetch'], ['sec-purpose', 'prefetch;prerender'], ['purpose', 'prefetch'], ['x-moz', 'prefetch']] as const) {
      const refused = await ask(server, '/createSession', { headers: { [name]: value } })
      t.match(refused, { status: 403, body: { code: 'EX10_PREFETCH_REFUSED' } }, `${name}: ${value}`)
    }
    const table: [string, string][] = [['nope=1', 'nope'], ['width=abc', 'width'], ['width=319', 'width'], ['width=3841', 'width'], ['height=1e9', 'height'], ['width=1.5', 'width'], ['width=', 'width']]
    for (const [query, field] of table) {
      const refused = await ask(server, `/createSession?${query}`)
      t.match(refused, { status: 400, body: { success: false, code: 'EX10_BAD_REQUEST', details: { field } } }, query)
    }
    for (const [body, field] of [['{"width":"1280"}', 'width'], ['{"nope":1}', 'nope'], ['{"template":5}', 'template'], ['{"width":true}', 'width']] as const) {
      const refused = await ask(server, '/sessions', { method: 'POST', body })
      t.match(refused, { status: 400, body: { code: 'EX10_BAD_REQUEST', details: { field } } }, body)
    }
    for (const template of ['nope', '../vanilla', '__proto__', 'VANILLA']) {
      const refused = await ask(server, `/createSession?template=${encodeURIComponent(template)}`)
      t.equal(refused.status, 400, template)
      t.match(refused.body, { code: 'EX10_UNKNOWN_TEMPLATE', message: /vanilla/, details: { templates: ['project', 'react', 'typescript', 'vanilla'] } }, 'the known ones are listed')
    }
    t.equal((await ask(server, '/sessions', { method: 'POST', body: { template: 'x'.repeat(21 * 1024 * 1024) } })).status, 413)
    await assertNothingMade(t, server, 0)
  })

  const session = await createSession(server, '?width=1000&height=700')

  await t.test('GET /createSession streams every step and one last line', async t => {
    assertCreation(t, session.lines)
    t.match(session.lines.at(-1)?.data, { sessionId: /^[0-9a-f]{32}$/, isNew: true, url: `/session/${session.id}/` })
  })

  const { id } = session
  const changes: [string, string, string?][] = [
    ['GET', '/createSession'], ['POST', '/sessions'], ['DELETE', `/session/${id}`], ['DELETE', `/sessions/${id}`],
    ['POST', `/sessions/${id}/touch`], ['POST', `/sessions/${id}/refresh`], ['POST', `/sessions/${id}/restart`], ['POST', `/sessions/${id}/rollback`],
    ['POST', '/sessions/import'], ['POST', '/recover'], ['DELETE', `/archives/${id}`], ['DELETE', '/users/anonymous/data'],
    ['POST', '/updateCode', JSON.stringify({ sessionId: id, filePath: 'x.js', content: 'x' })]
  ]

  await t.test('another site\'s page changes nothing', async t => {
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null', 'sec-fetch-site': 'cross-site' },
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, { origin: `${EDITOR}.evil.example` }, { origin: 'http://localhost:5174', 'sec-fetch-site': 'same-site' }
    ]
    for (const [method, path, body] of changes) {
      for (const headers of foreign) {
        const refused = await ask(server, path, { method, headers, body })
        t.match(refused, { status: 403, body: { code: 'EX10_ORIGIN_REFUSED' } }, `${method} ${path} ${JSON.stringify(headers)}`)
      }
    }
    t.match(await listSessions(server), [{ id, state: 'ready', version: 0 }], 'the session is as it was')
    await assertNothingMade(t, server, 1)
  })

  await t.test('a page of ours, a typed address and a page on the list may', async t => {
    const welcome: Record<string, string>[] = [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, { origin: server.url, 'sec-fetch-site': 'same-origin' }, { origin: EDITOR, 'sec-fetch-site': 'cross-site' }]
    for (const headers of welcome) {
      const answer = await ask(server, '/updateCode', { method: 'POST', headers, body: changes.at(-1)![2] })
      t.equal(answer.status, 200, JSON.stringify(headers))
      t.equal(answer.headers['access-control-allow-origin'], headers.origin === EDITOR ? EDITOR : undefined, 'and only the page on the list reads the answer across origins')
      t.equal((await ask(server, `/session/${UNKNOWN}`, { method: 'DELETE', headers })).status, 404)
      t.equal((await ask(server, '/createSession?template=nope', { headers })).status, 400, 'it would have created')
    }
    const preflight = await ask(server, '/updateCode', { method: 'OPTIONS', headers: { origin: EDITOR, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' } })
    t.match(preflight, { status: 204, headers: { 'access-control-allow-origin': EDITOR, 'access-control-allow-headers': /content-type/ } })
    const foreign = await ask(server, '/updateCode', { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' } })
    t.equal(foreign.headers['access-control-allow-origin'], undefined)
    const refused = await ask(server, `/sessions/${UNKNOWN}`, { headers: { origin: EDITOR } })
    t.match(refused, { status: 404, headers: { 'access-control-allow-origin': EDITOR } }, 'it reads refusals, too')
  })

  await t.test('a host name that was pointed here is not answered', async t => {
    const port = new URL(server.url).port
    for (const path of ['/health', '/sessions', `/session/${id}/`, `/session/${id}/index.html`, '/createSession', '/openapi.json', '/docs', '/nothing']) {
      const refused = await ask(server, path, { headers: { host: `evil.example:${port}` } })
      t.match(refused, { status: 421, body: { code: 'EX10_UNKNOWN_HOST' } }, path)
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) t.equal((await ask(server, '/sessions', { headers: { host } })).status, 200, host)
  })

  await t.test('an id that is unknown or malformed gets the same 404 on every route', async t => {
    const routes = (id: string): [string, string, string?][] => [
      ['GET', `/session/${id}`], ['GET', `/session/${id}/`], ['GET', `/session/${id}/index.html`], ['GET', `/session/${id}/js/x.js`], ['GET', `/session/${id}/state`], ['GET', `/session/${id}/problems`],
      ['DELETE', `/session/${id}`], ['GET', `/sessions/${id}`], ['DELETE', `/sessions/${id}`], ['GET', `/sessions/${id}/logs?source=xpra`],
      ['POST', `/sessions/${id}/touch`], ['POST', `/sessions/${id}/refresh`], ['POST', `/session/${id}/keep`],
      ['POST', '/updateCode', JSON.stringify({ sessionId: decodeURIComponent(id.replace(/%(ff|E0%A4%A)/g, '')), filePath: 'x.js', content: '' })]
    ]
    const body = { success: false, code: 'EX10_SESSION_NOT_FOUND', message: 'No such session', statusCode: 404 }
    for (const wrong of [UNKNOWN, 'abc', id.toUpperCase().replace(/^[0-9]+$/, 'A'), `${id}0`, id.slice(1), '%00', '%ff', '%E0%A4%A', `${id}%00`, 'a'.repeat(200), '-1', '__proto__']) {
      for (const [method, path, sent] of routes(wrong)) {
        const answer = await ask(server, path, { method, body: sent })
        t.equal(answer.status, 404, `${method} ${path.slice(0, 60)}`)
        t.strictSame(answer.body, body, `${method} ${path.slice(0, 60)}`)
      }
    }
  })

  await t.test('a session is shown, listed, and its page found', async t => {
    // what was pushed before may still be on its way into the browser: until then, no clock runs
    const shown = await eventually('a session at rest', async () => {
      const shown = await read(server, '/sessions/:id', { id })
      return shown.expiresAt === undefined ? undefined : shown
    }, 30_000)
    t.match(shown, { id, state: 'ready', health: 'ok', url: `/session/${id}/`, template: 'vanilla', version: Number, createdAt: /^\d{4}-.*Z$/, idleMs: Number, expiresAt: /^\d{4}-.*Z$/, expiresBecause: 'idle', context: { address: '127.0.0.1' } })
    const { id: _id, url, displayUrl: _displayUrl, ...told } = shown as unknown as Record<string, unknown>
    const { account, slot } = readFacts(server, id)
    for (const secret of [account.name, account.home, 'uid', 'pid', 'ort"']) t.notMatch(JSON.stringify(told), secret, `nothing of the machine: ${secret}`)
    t.strictSame(Object.values(told).filter(value => [account.uid, slot.displayPort, slot.devServerPort, slot.devToolsPort].includes(Number(value))), [])
    const { idleMs, expiresAt, displayUrl, context, ...rest } = shown // time goes on, and lists have no context
    t.match(await read(server, '/sessions'), { sessions: [{ ...rest, idleMs: Number, expiresAt: String }] })
    for (const path of [`/session/${id}`, `/session/${id}/`]) {
      t.match(await ask(server, path), { status: 302, headers: { location: `/session/${id}/index.html` } }, path)
    }
    t.match(await ask(server, `/session/${id}/index.html`), { status: 200, headers: { 'content-type': /^text\/html/ } })
  })

  await t.test('the last lines of each part of a session can be read', async t => {
    for (const source of ['dev-server', 'xpra', 'browser']) {
      const { source: told, lines } = await read(server, '/sessions/:id/logs', { id, source, tail: 2 })
      t.equal(told, source)
      t.ok(lines.length > 0 && lines.length <= 2 && lines.every(line => typeof line === 'string'), `${source}: at most as many as were asked for`)
    }
    const all = await read(server, '/sessions/:id/logs', { id, source: 'xpra' })
    t.ok(all.lines.length > 2, 'without a number there are more')
    for (const [query, field] of [['', 'source'], ['source=init', 'source'], ['source=../events', 'source'], ['source=xpra&tail=0', 'tail'], ['source=xpra&tail=x', 'tail'], ['source=xpra&tail=5001', 'tail'], ['source=xpra&nope=1', 'nope']] as const) {
      const refused = await ask(server, `/sessions/${id}/logs?${query}`)
      t.match(refused, { status: 400, body: { code: 'EX10_BAD_REQUEST', details: { field } } }, query)
    }
  })

  await t.test('POST /sessions streams the same, with options in its body and without a body', async t => {
    for (const body of [undefined, '{}', '{"template":"vanilla","width":800}']) {
      const response = await fetch(`${server.url}/sessions`, { method: 'POST', ...(body && { body, headers: { 'content-type': 'application/json' } }) })
      t.match(response, { status: 200 })
      t.equal(response.headers.get('content-type'), 'application/x-ndjson')
      for (const [name, value] of [['cache-control', 'no-store'], ['x-content-type-options', 'nosniff'], ['x-accel-buffering', 'no']] as const) t.equal(response.headers.get(name), value, name)
      t.ok(response.headers.get('x-request-id'), 'and an id')
      const lines: ProgressLine[] = []
      for await (const line of readLines(response)) lines.push(line)
      assertCreation(t, lines)
      const last = lines.at(-1)!
      t.equal((await endSession(server, last.status === 'complete' ? last.data.sessionId : '')).status, 200)
    }
  })

  await t.test('an operator reads how the server is, and what confines sessions', async t => {
    const health = await read(server, '/health')
    t.match(health, { status: 'ok', version: /^\d+\.\d+\.\d+/, instance: server.instance, sessions: 1, isolation: { firewall: 'nftables', cgroup: /^(v1|v2|none)$/, limits: Array }, encryption: { key: /^[0-9a-f]{16}$/, sealed: ['records', 'blobs', 'events', 'extension'] } })
    t.strictSame(health.isolation.namespaces.toSorted(), ['ipc', 'mount', 'pid', 'uts'])
    t.strictSame(await read(server, '/ready'), { ready: true })
  })

  await t.test('the API describes itself', async t => {
    const document = await (await fetch(`${server.url}/openapi.json`)).json() as { openapi: string, components: object, paths: Record<string, Record<string, { operationId: string, security: object[], responses: Record<string, unknown> }>> }
    t.match(document.openapi, /^3\.1/)
    const routes = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`))
    for (const route of ['GET /createSession', 'DELETE /session/{id}', 'GET /session/{id}', 'GET /session/{id}/{path}', 'GET /session/{id}/index.html', 'POST /updateCode', 'POST /sessions', 'GET /sessions', 'GET /sessions/{id}',
      'DELETE /sessions/{id}', 'GET /sessions/{id}/logs', 'GET /health', 'GET /ready']) t.ok(routes.includes(route), route)
    const operations = Object.values(document.paths).flatMap(methods => Object.values(methods))
    t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length, 'every operation has a name of its own')
    t.match(document.components, { securitySchemes: { key: { scheme: 'bearer' }, login: { in: 'cookie', name: 'ex10-login' }, csrf: { in: 'header', name: 'x-csrf-token' } } })
    for (const [path, method, security] of [['/sessions', 'get', [{ key: [] }, { login: [] }, {}]], ['/sessions', 'post', [{ key: [] }, { login: [], csrf: [] }, {}]], ['/createSession', 'get', [{ key: [] }, { login: [], csrf: [] }, {}]], ['/health', 'get', []]] as const) {
      t.strictSame(document.paths[path]![method]!.security, security, `who may use ${method} ${path}`)
    }
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)]
    t.ok(refs.length > 20, 'control: it has some')
    for (const [, ref] of refs) {
      t.ok(ref!.split('/').reduce<any>((part, key) => part?.[key], document), `${ref} is there`)
    }
    t.match(await ask(server, '/docs'), { status: 200, headers: { 'content-type': /^text\/html/ } })
    t.match((await ask(server, '/nothing')).body, { success: false, code: 'EX10_NOT_FOUND', statusCode: 404 })
  })

  await t.test('a wrong method is told the right ones, wherever there is something: routes, files, the display, WebSockets', async t => {
    for (const [method, path, allow] of [
      ['PUT', '/sessions', 'GET, HEAD, OPTIONS, POST'], ['POST', '/createSession', 'GET, OPTIONS'], ['GET', '/updateCode', 'OPTIONS, POST'], ['POST', '/', 'GET, HEAD, OPTIONS'],
      ['POST', '/docs', 'GET, HEAD, OPTIONS'], ['PUT', '/docs/static/index.css', 'GET, HEAD, OPTIONS'], ['DELETE', '/display/1/page.js', 'GET, HEAD, OPTIONS'],
      ['PUT', `/session/${id}/index.html`, 'GET, HEAD, OPTIONS'], ['POST', `/session/${id}/other`, 'GET, HEAD, OPTIONS'], ['PUT', `/session/${id}/keep`, 'GET, HEAD, OPTIONS, POST'],
      ['DELETE', `/sessions/${id}/events`, 'GET, OPTIONS']
    ] as const) {
      t.match(await ask(server, path, { method }), { status: 405, headers: { allow }, body: { code: 'EX10_METHOD_NOT_ALLOWED', details: { allow: allow.split(', ') } } }, `${method} ${path}`)
    }
    t.equal((await ask(server, '/nothing', { method: 'PUT' })).status, 404, 'a path without any method')
  })

  await t.test('an answer finds its lines in the log', async t => {
    const { headers } = await ask(server, '/sessions')
    const lines = await eventually('its lines', () => {
      const lines = server.output().split('\n').filter(line => line.includes(`"reqId":"${headers['x-request-id']}"`))
      return lines.length > 1 ? lines : undefined
    })
    t.match(lines.map(line => JSON.parse(line).msg), ['incoming request', 'request completed'])
  })

  await t.test('events come by a WebSocket, too: what is a line there is a message here', async t => {
    const past = await openEvents(t, server, id, { query: '?follow=false' })
    t.strictSame(await past.closed, [1000, ''], 'after the past, it is closed')
    t.strictSame((await pastEvents(server, id)).slice(0, past.events.length), past.events)
    const [known, more] = [past.events.length, await openEvents(t, server, id, { headers: { origin: EDITOR } })]
    t.equal((await ask(server, '/updateCode', { method: 'POST', body: changes.at(-1)![2] })).status, 200)
    await eventually('what happens then', () => more.events.slice(known).some(({ type }) => type === 'pushed'))
    more.socket.send('hello')
    t.strictSame(await more.closed, [1008, 'this socket only sends'])

    const path = `/sessions/${id}/events`
    const refused: [path: string, headers: Record<string, string>, status: number, code: string][] = [
      [`/sessions/${UNKNOWN}/events`, {}, 404, 'EX10_SESSION_NOT_FOUND'], [`${path}?nope=1`, {}, 400, 'EX10_BAD_REQUEST'], [path, { host: 'evil.example' }, 421, 'EX10_UNKNOWN_HOST'],
      [path, { origin: 'https://evil.example' }, 403, 'EX10_ORIGIN_REFUSED'], [path, { origin: 'null' }, 403, 'EX10_ORIGIN_REFUSED'], [path, { 'sec-fetch-site': 'cross-site' }, 403, 'EX10_ORIGIN_REFUSED'],
      ['/health', {}, 404, 'EX10_NOT_FOUND'], ['/updateCode', {}, 405, 'EX10_METHOD_NOT_ALLOWED'], ['/createSession', {}, 404, 'EX10_NOT_FOUND'], [`/sessions/${id}`, {}, 404, 'EX10_NOT_FOUND'], ['/nothing', {}, 404, 'EX10_NOT_FOUND']
    ]
    for (const [path, headers, status, code] of refused) t.strictSame(await refusalOf(server, path, headers), { status, code }, `${path.replace(id, 'ID')} ${JSON.stringify(headers)}`)
    await assertNothingMade(t, server, 1)
  })

  await t.test('an ended session is as if it had never been', async t => {
    const { events, closed } = await openEvents(t, server, id)
    t.match(await (await endSession(server, id)).json(), { success: true, message: String })
    t.strictSame(await closed, [1000, ''], 'a reader of its events hears of the end, and nothing after it')
    t.match(events.at(-1), { type: 'ended', reason: 'deleted' })
    for (const [method, path] of [['GET', `/session/${id}/index.html`], ['DELETE', `/session/${id}`], ['GET', `/sessions/${id}`], ['GET', `/session/${id}/state`], ['GET', `/session/${id}/problems`]] as const) {
      const answer = await ask(server, path, { method })
      t.match(answer, { status: 404, body: { code: 'EX10_SESSION_NOT_FOUND', message: 'No such session' } }, `${method} ${path}`)
    }
    t.strictSame(await listSessions(server), [])
  })
  await assertEndsClean(t, server)
})

t.test('when there are as many sessions as there may be, a creation is refused before it begins, and the client learns when to ask again', async t => {
  const server = await serve(t, { EX10_SLOTS: '1' })
  const session = await createSession(server)
  for (const [method, path] of [['GET', '/createSession'], ['POST', '/sessions'], ['GET', '/ready']] as const) {
    const refused = await ask(server, path, { method })
    t.match(refused, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: { success: false, code: 'EX10_TOO_MANY_SESSIONS' } }, `${method} ${path}`)
  }
  t.equal((await endSession(server, session.id)).status, 200)
  t.equal((await fetch(`${server.url}/ready`)).status, 200, 'and when one is free, it may')
  await assertEndsClean(t, server)
})
