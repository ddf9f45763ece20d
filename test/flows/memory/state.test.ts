import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { openEvents } from '#support/servers/event-socket.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

type Headers = Record<string, string>

/** The state of a session, as one of its users sees it. */
function stateOf (server: Server, id: string) {
  const send = async (method: string, path: string, value: unknown, headers: Headers = {}) => {
    const { status, body, headers: { etag } } = await ask(server, `/sessions/${id}/state${path}`, { method, headers, ...(value !== undefined && { body: typeof value === 'string' ? value : JSON.stringify(value) }) })
    return { status, body, etag }
  }
  return {
    get: (path = '', headers: Headers = {}) => send('GET', path, undefined, headers),
    put: (path: string, value: unknown, headers?: Headers) => send('PUT', path, value, headers),
    patch: (path: string, value: unknown, headers?: Headers) => send('PATCH', path, value, headers),
    remove: (path: string, headers?: Headers) => send('DELETE', path, undefined, headers),
    restore: (value: object, headers?: Headers) => send('POST', '/restore', value, headers)
  }
}

const NONE = { user_data: {}, analysis_data: {}, ui_state: {}, preferences: {}, temporary_data: {} }
const text = (value: string) => JSON.stringify(value)

t.test('a session remembers what front ends and programs keep with it', { timeout: 200_000 }, async whole => {
  const t = whole
  let server = await serve(whole, { ...lightDisplay(), EX10_AUTH: 'keys' })
  const keyOf = (...words: string[]) => keysCommand(server, 'create', ...words)
  const [annaKey, watcherKey, otherKey, adminKey] = [await keyOf('--user', 'anna'), await keyOf('--user', 'anna', '--scopes', 'view'), await keyOf('--user', 'otto'), await keyOf('--user', 'ada', '--role', 'admin')]
  const anna = as(server, annaKey)
  const session = await createSession(anna)
  const state = stateOf(anna, session.id)

  await t.test('values, categories and all of it are put, patched, read and deleted', async t => {
    t.match(await state.get(), { status: 200, body: NONE, etag: '"0.0.0"' }, 'nothing at first')
    t.match(await state.get('/ui_state/layout'), { status: 404, body: { code: 'EX10_STATE_NOT_FOUND' } })
    const made = await state.put('/ui_state/layout', { panes: [1, 2], open: null })
    t.match(made, { status: 201, body: { success: true, version: 1, changes: 1 }, etag: /^"[0-9a-f]{8}-1"$/ })
    t.strictSame(await state.get('/ui_state/layout'), { status: 200, body: { panes: [1, 2], open: null }, etag: made.etag })
    t.match(await ask(anna, `/sessions/${session.id}/state/ui_state/layout`, { method: 'HEAD' }), { status: 200, text: '', headers: { etag: made.etag, 'last-modified': /GMT$/ } })
    t.match(await state.get('/ui_state/layout', { 'if-none-match': made.etag! }), { status: 304, body: '' })
    t.match(await state.put('/ui_state/layout', { panes: [1, 2], open: null }), { status: 200, body: { version: 1, changes: 0 }, etag: made.etag }, 'the same again is no change')
    t.match(await state.patch('/ui_state/layout', { panes: null, open: { file: 'a.js' } }, { 'content-type': 'application/merge-patch+json' }), { status: 200, body: { version: 2 } })
    t.strictSame((await state.get('/ui_state/layout')).body, { open: { file: 'a.js' } })
    for (const [name, value] of Object.entries({ no: false, zero: 0, none: null, empty: '', list: [], text: 'ü\u2028\ud800', deep: JSON.parse('['.repeat(99) + ']'.repeat(99)) })) {
      t.equal((await state.put(`/analysis_data/${name}`, JSON.stringify(value))).status, 201, name)
      t.strictSame((await state.get(`/analysis_data/${name}`)).body, value, name)
    }
    t.match(await state.patch('/analysis_data', { no: null, zero: { is: 1 }, more: 'x' }), { status: 200, body: { changes: 3 } })
    t.match((await state.get('/analysis_data')).body, { zero: { is: 1 }, none: null, more: 'x' })
    t.notOk(Object.hasOwn((await state.get('/analysis_data')).body, 'no'))
    t.match(await state.put('/analysis_data', { only: 1 }), { status: 200, body: { changes: 8 } })
    t.match(await state.put('/notes', { first: 'one' }), { status: 201, body: { changes: 1 } }, 'a category of another name')
    t.strictSame((await state.get()).body, { ...NONE, analysis_data: { only: 1 }, ui_state: { layout: { open: { file: 'a.js' } } }, notes: { first: 'one' } })
    t.match(await state.patch('', { notes: { second: 2 }, analysis_data: null }), { status: 200, body: { changes: 2 } })
    t.strictSame((await state.get()).body, { ...NONE, ui_state: { layout: { open: { file: 'a.js' } } }, notes: { first: 'one', second: 2 } })
    t.match([await state.remove('/notes/first'), await state.remove('/notes/first')], [{ status: 200 }, { status: 404 }])
    t.match(await state.put('', { ui_state: {}, notes: { third: 3 } }), { status: 200, body: { changes: 3 } })
    t.strictSame((await state.get()).body, { ...NONE, notes: { third: 3 } })
    t.match([await state.remove(''), await state.remove('')], [{ status: 200, body: { changes: 1 } }, { status: 200, body: { changes: 0 } }])
    t.strictSame((await state.get()).body, NONE)
  })

  await t.test('of twenty writers who expect the same version, one wins, and nothing of the others is there', async t => {
    for (const [path, value] of [['/race/value', (writer: number) => writer], ['/race', (writer: number) => ({ value: writer })], ['', (writer: number) => ({ race: { value: writer } })]] as const) {
      await state.put(path, value(-1))
      const { etag } = await state.get(path)
      const answers = await Promise.all(Array.from({ length: 20 }, (_, writer) => state.put(path, value(writer), { 'if-match': etag! })))
      t.strictSame(answers.map(({ status, body: { code } }) => [status, code]).sort(), [[200, undefined], ...Array.from({ length: 19 }, () => [412, 'EX10_PRECONDITION_FAILED'])], path)
      const winner = answers.findIndex(({ status }) => status === 200)
      t.equal((await state.get('/race/value')).body, winner)
      t.equal(answers[winner]!.etag, (await state.get(path)).etag, 'the winner knows the new tag')
    }
    const made = await Promise.all(Array.from({ length: 20 }, (_, writer) => state.put('/race/made', writer, { 'if-none-match': '*' })))
    t.strictSame(made.map(({ status }) => status).sort(), [201, ...Array.from({ length: 19 }, () => 412)])
    t.match(await state.remove('/race/none', { 'if-match': '*' }), { status: 412 })
    t.match(await state.put('/empty', { a: 1 }, { 'if-match': (await state.get('/empty')).etag! }), { status: 201 }, 'an empty category has a tag, too')
    t.match(await state.put('/race/made', 1, { 'if-match': 'unquoted' }), { status: 400 })
  })

  await t.test('of twenty writers who expect nothing, no write is lost', async t => {
    await state.put('/crowd', {})
    const answers = await Promise.all(Array.from({ length: 20 }, (_, writer) => writer % 2 ? state.put(`/crowd/w${writer}`, writer) : state.patch('/crowd', { [`w${writer}`]: writer })))
    t.strictSame(answers.filter(({ status }) => status >= 300), [])
    t.strictSame((await state.get('/crowd')).body, Object.fromEntries(Array.from({ length: 20 }, (_, writer) => [`w${writer}`, writer])))
    const versions = answers.map(({ body }) => body.version as number)
    t.equal(new Set(versions).size, 20, 'each has a version of its own')
    await Promise.all(Array.from({ length: 20 }, (_, writer) => state.patch('/crowd/one', { [`w${writer}`]: writer })))
    t.equal(Object.keys((await state.get('/crowd/one')).body).length, 20, 'nor of patches of one value')
  })

  await t.test('the versions say who changed what and when, and each can be gone back to, and back from', async t => {
    await state.remove('')
    const { version: before } = (await state.get('/versions')).body
    await state.put('/notes', { a: 1, b: 2 })
    await state.put('/notes/a', 3)
    await state.remove('/notes/b')
    await state.put('/ui_state/tab', text('x'))
    const { body } = await state.get('/versions?limit=3')
    const by = { user: 'anna', credential: 'key' }
    t.match(body, {
      version: before + 4,
      next: before + 2,
      versions: [
        { version: before + 4, by, changed: 1, changes: [{ category: 'ui_state', key: 'tab', action: 'added' }] },
        { version: before + 3, by, changes: [{ category: 'notes', key: 'b', action: 'deleted' }] },
        { version: before + 2, by, changes: [{ category: 'notes', key: 'a', action: 'changed' }] }
      ]
    })
    t.ok(Math.abs(Date.parse(body.versions[0].at) - Date.now()) < 60_000)
    t.match((await state.get(`/versions?before=${body.next}&limit=1`)).body.versions, [{ version: before + 1, changed: 2 }])
    t.match((await state.get('/versions?category=ui_state&limit=1')).body.versions, [{ version: before + 4 }])
    t.match(await state.restore({ version: before + 1 }), { status: 200, body: { version: before + 5, changes: 3 } })
    t.strictSame((await state.get()).body, { ...NONE, notes: { a: 1, b: 2 } })
    t.match((await state.get('/versions?limit=1')).body.versions, [{ version: before + 5, restored: before + 1 }])
    t.match(await state.restore({ version: before + 4, category: 'notes' }), { status: 200, body: { changes: 2 } })
    t.strictSame((await state.get()).body, { ...NONE, notes: { a: 3 } })
    t.match(await state.restore({ version: before + 4 }, { 'if-match': '"old"' }), { status: 412 })
    t.match(await state.restore({ version: before + 4 }), { status: 200 })
    t.strictSame((await state.get()).body, { ...NONE, notes: { a: 3 }, ui_state: { tab: 'x' } })
    t.match(await state.restore({ version: 1_000_000 }), { status: 404, body: { code: 'EX10_STATE_VERSION_NOT_FOUND' } })
  })

  await t.test('a hundred versions are kept, of the largest values, too', { timeout: 60_000 }, async t => {
    const { version: before } = (await state.get('/versions')).body
    const large = (round: number) => 'x'.repeat(256 * 1024 - 10) + String(round).padStart(4)
    for (let round = 1; round <= 102; round++) t.equal((await state.put('/large/value', text(large(round)))).status < 300, true)
    t.match(await state.restore({ version: before + 1 }), { status: 404 })
    t.match(await state.restore({ version: before + 2 }), { status: 200 })
    t.equal((await state.get('/large/value')).body, large(2))
    const kept: number[] = []
    for (let next: number | undefined = 1_000_000; next !== undefined;) {
      const { body } = await state.get(`/versions?limit=50&before=${next}`)
      kept.push(...body.versions.map(({ version }: { version: number }) => version))
      next = body.next
    }
    t.strictSame(kept, Array.from({ length: 100 }, (_, index) => before + 103 - index))
    await state.remove('/large')
  })

  await t.test('preferences are the user\'s: all sessions of the user have them, and so does the next one', async t => {
    const second = await createSession(anna)
    const stream = await openEvents(t, anna, second.id)
    const put = await state.put('/preferences/theme', text('dark'))
    t.match(put, { status: 201, body: { version: 1 } })
    t.match(await stateOf(anna, second.id).get('/preferences/theme'), { status: 200, body: 'dark', etag: put.etag })
    const told = await eventually('the event in the other session', () => stream.events.find(({ type }) => type === 'state'))
    t.match(told, { type: 'state', category: 'preferences', key: 'theme', version: 1 })
    t.notMatch(JSON.stringify(told), 'dark', 'no values in events')
    await stateOf(anna, second.id).patch('/preferences', { theme: 'light', size: 3 })
    t.strictSame((await state.get('/preferences')).body, { theme: 'light', size: 3 })
    t.match((await state.get('/versions?category=preferences')).body, { version: 2, versions: [{ version: 2, changed: 2 }, { version: 1 }] })
    t.match(await state.restore({ version: 1, category: 'preferences' }), { status: 200 })
    t.strictSame((await state.get('/preferences')).body, { theme: 'dark' })
    t.match(await state.put('', { preferences: { theme: 'x' } }), { status: 400 }, 'not together with what is the session\'s')
    await state.remove('')
    t.match((await state.get()).body.preferences, { theme: 'dark' }, 'a session\'s state can be emptied without them')
    const otto = as(server, otherKey)
    const his = await createSession(otto)
    t.strictSame((await stateOf(otto, his.id).get()).body, NONE, 'others have their own')
    t.match(await stateOf(otto, session.id).get('/preferences'), { status: 404, body: { code: 'EX10_SESSION_NOT_FOUND' } })
    for (const { id } of [second, his]) await endSession(as(server, adminKey), id)
    const third = await createSession(anna)
    t.match((await stateOf(anna, third.id).get()).body, { ...NONE, preferences: { theme: 'dark' } })
    await endSession(anna, third.id)
  })

  await t.test('who may look may not change, and an admin\'s look and change are noted', async t => {
    const watcher = stateOf(as(server, watcherKey), session.id)
    t.equal((await watcher.get('')).status, 200)
    for (const answer of [await watcher.put('/notes/a', 1), await watcher.patch('/notes', {}), await watcher.remove('/notes'), await watcher.restore({ version: 1 })]) t.match(answer, { status: 403, body: { code: 'EX10_FORBIDDEN' } })
    const admin = as(server, adminKey)
    t.match(await stateOf(admin, session.id).put('/preferences/by', text('ada')), { status: 201 })
    t.match((await state.get('/versions?category=preferences&limit=1')).body.versions, [{ by: { user: 'ada', credential: 'key' } }])
    const { entries } = await read(admin, '/admin/audit-log')
    t.match(entries.filter(({ user }) => user === 'ada'), [{ action: 'session.state-changed', target: session.id, details: { owner: 'anna' } }])
  })

  await t.test('each change is an event for those who read, and none of it is kept with the events', async t => {
    const stream = await openEvents(t, anna, session.id)
    await state.put('/ui_state/cursor', { line: 7 })
    await state.put('/ui_state/cursor', { line: 7 })
    await state.patch('/ui_state', { cursor: null, tab: 1 })
    await state.patch('', { notes: { z: 1 } })
    await eventually('three events', () => stream.events.filter(({ type }) => type === 'state').length >= 3)
    const events = stream.events.filter(({ type }) => type === 'state').map(({ category, key, version }) => [category, key, version])
    const last = (await state.get('/versions')).body.version
    t.strictSame(events, [['ui_state', 'cursor', last - 2], ['ui_state', undefined, last - 1], [undefined, undefined, last]])
    t.notOk((await pastEvents(anna, session.id)).some(({ type }) => type === 'state'))
  })

  await t.test('names and values are bounded, and hostile ones change nothing', async t => {
    const before = await state.get()
    const refused = async (path: string, value: unknown, status = 400, method: 'put' | 'patch' = 'put') => t.match(await state[method](path, value), { status }, `${method} ${path} ${String(value).slice(0, 60)}`)
    for (const category of ['__proto__', 'versions', 'restore', 'a.b', 'a%2Fb', '1a', 'x'.repeat(65), '%00', 'ü']) await refused(`/${category}/a`, 1)
    for (const key of ['__proto__', '_x', 'a%2Fb', 'a%20b', 'x'.repeat(129), '%00', 'ü']) await refused(`/notes/${key}`, 1)
    for (const body of ['{"__proto__":{"a":1}}', '{"constructor":{"prototype":1}}', '{"a":{"__proto__":1}}', '{"_a":1}', '{"":1}', '[]', '1', 'null', '', '{"a":NaN}', '{"a":1e400}', '{"a":-1e999}', `{"a":${'['.repeat(102)}${']'.repeat(102)}}`, `{"a":${'{"b":'.repeat(100_000)}1${'}'.repeat(100_000)}}`]) {
      await refused('/notes', body)
      await refused('/notes', body, 400, 'patch')
    }
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      t.match([await state.get(`/${name}`), await state.get(`/${name}/${name}`)], [{ status: 200, body: {}, etag: '"0"' }, { status: 404 }], name)
      t.equal((await state.put(`/${name}/${name}`, { [name]: name })).status, 201, name)
      t.equal(JSON.stringify((await state.get(`/${name}`)).body), JSON.stringify({ [name]: { [name]: name } }))
      t.equal((await state.remove(`/${name}`)).etag, '"0"')
    }
    t.strictSame((await state.get()).body, before.body)
    const quarter = text('x'.repeat(256 * 1024 - 2))
    t.match(await state.put('/full/a', quarter.replace('x', 'xx')), { status: 413, body: { code: 'EX10_STATE_TOO_LARGE' } })
    t.match(await state.put('/full/a', ' '.repeat(2 * 1024 * 1024)), { status: 413, body: { code: 'EX10_STATE_TOO_LARGE' } })
    t.match(await state.put('/full', `{${Array.from({ length: 16 }, (_, index) => `"v${index}":${quarter}`)}}`), { status: 413, body: { code: 'EX10_STATE_TOO_LARGE' } })
    t.match(await state.put('/full', `{${Array.from({ length: 15 }, (_, index) => `"v${index}":${quarter}`)}}`), { status: 201 })
    t.match(await state.put('/full/last', quarter), { status: 413 }, 'one by one, too')
    t.match(await state.put('/other/v0', 1), { status: 201 })
    await state.remove('/full')
    t.match(await state.put('/many', Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`v${index}`, 0]))), { status: 413 })
    t.match(await state.patch('/many', `{${Array.from({ length: 400_000 }, (_, index) => `"v${index}":null`)}}`), { status: 413 })
    t.match(await state.put('', Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`c${index}`, {}]))), { status: 413 })
    t.match(await state.put('/notes/twice', '{"a":1,"a":2}'), { status: 201 })
    t.strictSame((await state.get('/notes/twice')).body, { a: 2 })
    t.match(await state.put('/temporary_data/large', text('x'.repeat(1024 * 1024))), { status: 413 })
  })

  await t.test('temporary data is on no disk, and the creating client is told and not logged', async t => {
    const secret = `secret${Date.now()}`
    t.match(await state.put(`/temporary_data/${secret}`, text(secret)), { status: 201 })
    t.match(await state.patch('/temporary_data', { [secret]: `${secret}!` }), { status: 200 })
    t.match((await state.get('/temporary_data')).body, { [secret]: `${secret}!` })
    t.match((await state.get('/versions?category=temporary_data')).body.versions, [])
    t.match(await state.restore({ version: 1, category: 'temporary_data' }), { status: 404, body: { code: 'EX10_STATE_VERSION_NOT_FOUND' } })
    const mark = `mark${Date.now()}`
    const marked = await fetch(`${server.url}/sessions`, { method: 'POST', headers: { ...anna.headers, accept: 'application/json', 'user-agent': `${mark} agent`, referer: `https://editor.example/${mark}?token=hidden#x`, 'accept-language': 'fr;q=0.5, de-ch, *;q=0.1' } })
    const { sessionId } = await marked.json() as { sessionId: string }
    t.match(await read(anna, '/sessions/:id', { id: sessionId }), { context: { address: '127.0.0.1', userAgent: `${mark} agent`, referrer: `https://editor.example/${mark}`, locale: 'de-CH' } })
    t.notOk('context' in (await read(anna, '/sessions')).sessions[0]!, 'lists leave it out')
    await endSession(anna, sessionId)
    for (const word of [mark, secret]) t.notOk(server.output().includes(word), 'nor are names and contexts in the log')
    const files = globSync(`${server.dataDir}/**/*`, { withFileTypes: true }).filter(file => file.isFile() && !/templates|npm-cache|compile-cache|homes|\.img/.test(file.parentPath + file.name)).map(file => `${file.parentPath}/${file.name}`)
    t.ok(files.some(file => file.includes('records')), 'the store was looked at')
    for (const file of files) t.notOk(readFileSync(file).includes(secret), file)
  })

  await t.test('after kill -9 between any two writes, the next server has every one that was acknowledged', { timeout: 60_000 }, async t => {
    for (let round = 0; round < 2; round++) {
      const acknowledged = new Map<string, number>()
      const going = Promise.all(Array.from({ length: 8 }, async (_, writer) => {
        const own = stateOf(as(server, annaKey), session.id)
        for (let count = 0; ; count++) {
          const { status } = await (count % 3 === 2 ? own.patch('/durable', { [`w${writer}`]: count }) : own.put(`/durable/w${writer}`, count)).catch(() => ({ status: 0 }))
          if (status === 0) return
          if (status >= 300) throw new Error(`answered ${status}`)
          acknowledged.set(`w${writer}`, count)
        }
      }))
      await eventually('some writes', () => [...acknowledged.values()].reduce((sum, count) => sum + count, 0) > 40 + round * 25)
      await server.stop('SIGKILL')
      await going
      server = await next(whole, server)
      const { body, etag } = await stateOf(as(server, annaKey), session.id).get('/durable')
      for (const [writer, count] of acknowledged) t.ok([count, count + 1].includes(body[writer]), `${writer}: ${body[writer]} after ${count}`) // the last one may have been written and not answered
      const { versions } = (await stateOf(as(server, annaKey), session.id).get('/versions?limit=1')).body
      t.equal(etag, `"${etag!.slice(1, 9)}-${versions[0].version}"`, 'the last version is the one of the values')
    }
    const after = stateOf(as(server, annaKey), session.id)
    t.match(await after.get('/temporary_data'), { body: {} }, 'but for temporary data, which a restart empties')
    t.match((await after.get('/preferences')).body, { theme: 'dark' })
    t.match(await read(as(server, annaKey), '/sessions/:id', { id: session.id }), { context: { userAgent: String } })
  })

  await endSession(as(server, annaKey), session.id)
  const { body } = await ask(as(server, adminKey), '/admin/audit')
  t.match(body, { leaked: [], missing: [] })
  await assertEndsClean(t, as(server, adminKey))
})
