import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { zipSync } from 'fflate'
import t from 'tap'
import type { CodeUpdated } from '#schemas/code-update.ts'
import type { ActivityView, VersionList, VersionView } from '#schemas/version.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { inside } from '#support/sandbox.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, pushCode, type Server } from '#support/servers/server.ts'

type Files = Record<string, string | null>

/** A session's history, as clients see it. */
function historyOf (server: Server, id: string) {
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${server.url}/sessions/${id}/${path}`, { method, ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) })
    return { status: response.status, ...await response.json() as object } as { status: number, [field: string]: unknown }
  }
  return {
    ask,
    push: async (files: Files, options: object = {}) => {
      const changes = Object.entries(files).map(([filePath, content]) => content === null ? { filePath, delete: true } : { filePath, content })
      return await (await pushCode(server, { sessionId: id, files: changes, ...options })).json() as CodeUpdated
    },
    versions: async () => (await ask('GET', 'versions') as unknown as VersionList).versions,
    rollBack: (version: number | string, wait = false) => ask('POST', 'rollback', { version, wait }),
    activities: async () => (await ask('GET', 'activities')).activities as ActivityView[],
    versionFiles: async (version: number) => Object.fromEntries(((await ask('GET', `versions/${version}/files`)).files as { path: string, hash: string }[]).map(({ path, hash }) => [path, hash])),
    /** All files, with the hashes of their contents. */
    files: async () => Object.fromEntries(((await ask('GET', 'files')).files as { path: string, hash: string }[]).map(({ path, hash }) => [path, hash]))
  }
}

t.test('every push is a version, and the extension goes back to any of them', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  const history = historyOf(server, id)
  const states = [await history.files()]
  for (const files of [{ 'a.js': 'a', 'folder/b.js': 'b' }, { 'a.js': 'another a' }, { 'folder/b.js': null }, { folder: 'now a file' }, { 'popup.html': null, 'deep/er/c.js': 'c' }] as Files[]) {
    const answer = await history.push(files)
    t.equal(answer.version, states.length, JSON.stringify(files))
    states.push(await history.files())
  }
  const numbers = ({ version, added, changed, removed, kept, by }: VersionView) => ({ version, added, changed, removed, kept, by })
  t.strictSame((await history.versions()).reverse().map(numbers), [
    { version: 0, added: Object.keys(states[0]!).length, changed: 0, removed: 0, kept: true, by: 'local' },
    { version: 1, added: 2, changed: 0, removed: 0, kept: true, by: 'local' },
    { version: 2, added: 0, changed: 1, removed: 0, kept: true, by: 'local' },
    { version: 3, added: 0, changed: 0, removed: 1, kept: true, by: 'local' },
    { version: 4, added: 1, changed: 0, removed: 0, kept: true, by: 'local' },
    { version: 5, added: 1, changed: 0, removed: 1, kept: true, by: 'local' }
  ])
  for (const version of [1, 4, 0, 5, 2]) {
    t.match(await history.rollBack(version), { status: 200, rolledBackTo: version })
    t.strictSame(await history.files(), states[version], `all is as in version ${version}`)
  }
  t.match(await history.versions(), [{ version: 10, rolledBackTo: 2 }, { version: 9, rolledBackTo: 5 }])
  t.match(await history.rollBack(99), { status: 404, code: 'EX10_VERSION_NOT_FOUND' })
  await endSession(server, id)
  await assertEndsClean(t, server)
})

t.test('a version can be looked at, compared with another, and given a name', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  const history = historyOf(server, id)
  await history.push({ 'a.js': 'one\ntwo\n', 'folder/ö b.js': 'b', 'big.txt': 'x'.repeat(300_000) })
  await history.push({ 'a.js': 'one\n2\n', 'folder/ö b.js': null, 'c.js': 'c', 'big.txt': 'y'.repeat(300_000) })
  const diff = await history.ask('GET', 'versions/1/diff?to=2')
  t.match(diff, {
    status: 200,
    from: 1,
    to: 2,
    files: [
      { path: 'a.js', change: 'changed', before: { size: 8 }, after: { size: 6 }, patch: /^--- a\/a\.js[^]*^\+\+\+ b\/a\.js[^]*^ one\n-two\n\+2$/m },
      { path: 'big.txt', change: 'changed', patch: undefined },
      { path: 'c.js', change: 'added', patch: /^--- \/dev\/null/m },
      { path: 'folder/ö b.js', change: 'removed', patch: /^\+\+\+ \/dev\/null/m }
    ]
  })
  t.equal((diff.files as unknown[]).length, 4)
  t.match(await history.ask('GET', 'versions/2/diff'), { from: 2, to: 2, files: [] })

  t.match(await history.ask('PATCH', 'versions/1', { label: 'before the change' }), { status: 200, version: 1, label: 'before the change', point: 'major' })
  t.match(await history.ask('PATCH', 'versions/2', { label: 'before the change' }), { status: 409, code: 'EX10_LABEL_TAKEN' })
  for (const label of ['7', '', 'a/b', 'x\n']) t.match(await history.ask('PATCH', 'versions/2', { label }), { status: 400 }, JSON.stringify(label))
  const response = await fetch(`${server.url}/sessions/${id}/versions/before%20the%20change/files/folder/%C3%B6%20b.js`)
  t.equal(await response.text(), 'b')
  t.match(Object.fromEntries(response.headers), { etag: `"${(await history.versionFiles(1))['folder/ö b.js']}"`, 'content-type': 'application/octet-stream', 'content-security-policy': /sandbox/ })
  t.equal((await fetch(response.url, { headers: { 'if-none-match': response.headers.get('etag')! } })).status, 304)
  t.match(await history.ask('GET', 'versions/1/files/c.js'), { status: 404, code: 'EX10_FILE_NOT_FOUND' })
  t.match(await history.ask('GET', 'versions/1/files/../a.js'), { status: 404 })
  t.match(await history.rollBack('before the change'), { status: 200, version: 3, rolledBackTo: 1 })
  t.strictSame(await history.files(), await history.versionFiles(1))
  t.match(await history.ask('PATCH', 'versions/1', { label: null }), { status: 200 })
  t.match(await history.rollBack('before the change'), { status: 404 })

  t.match(await history.ask('GET', 'versions?limit=2'), { versions: [{ version: 3 }, { version: 2 }], next: 2 })
  t.match(await history.ask('GET', 'versions?limit=2&before=2'), { versions: [{ version: 1 }, { version: 0 }], next: undefined })

  t.comment('files of an archive, and single files, are of versions, too')
  await fetch(`${server.url}/sessions/${id}/files/single.bin`, { method: 'PUT', body: new Uint8Array([0, 1, 255]) })
  await fetch(`${server.url}/sessions/${id}/import`, { method: 'POST', body: zipSync({ 'manifest.json': new Uint8Array(3), 'big.bin': randomBytes(3_000_000) }) })
  const imported = await history.files()
  await fetch(`${server.url}/sessions/${id}/files/big.bin`, { method: 'DELETE' })
  t.match(await history.versions(), [{ version: 6, removed: 1 }, { version: 5, added: 1 }, { version: 4, added: 1 }])
  await history.rollBack(5)
  t.strictSame(await history.files(), imported)
  await history.rollBack(4)
  t.strictSame(await history.files(), await history.versionFiles(4))
  await endSession(server, id)
  t.strictSame(readdirSync(`${server.env.EX10_DATA_DIR}/blobs`), [], 'nothing is left')
  await assertEndsClean(t, server)
})

t.test('an activity is committed or discarded as a whole', async t => {
  let server = await serve(t, { ...lightDisplay(), EX10_ACTIVITY_TIMEOUT: '4' })
  const session = await createSession(server)
  let history = historyOf(server, session.id)
  await history.push({ 'a.js': 'before' })
  const asTool = await inside(t, server, session)
  await asTool.run(['sh', '-c', `echo tool > ${asTool.facts.account.home}/extension/tool.txt`])
  const before = await history.files()
  t.ok(before['tool.txt'], 'a tool has changed a file, without a push')
  t.match(await history.ask('POST', 'activities', { title: 'try it' }), { status: 201, activity: 1, title: 'try it', from: 1 })
  t.match(await history.ask('POST', 'activities', {}), { status: 409, code: 'EX10_ACTIVITY_UNDER_WAY' })
  await history.push({ 'a.js': 'within', 'b.js': 'new' })
  await server.stop('SIGKILL')
  server = await next(t, server)
  history = historyOf(server, session.id)
  await history.push({ 'manifest.json': null })
  t.match(await history.ask('POST', 'activities/1/discard'), { status: 200, version: 4, activity: { outcome: 'discarded' } })
  t.strictSame(await history.files(), before, 'all is as it was when the activity began, and not as in the version before it')
  t.match(await history.versions(), [{ version: 4, activity: 1, rolledBackTo: 1 }, { version: 3, activity: 1 }, { version: 2, activity: 1 }, { version: 1, activity: undefined }])
  t.match(await history.ask('POST', 'activities/1/commit'), { status: 409, code: 'EX10_ACTIVITY_OVER' })
  t.match(await history.ask('POST', 'activities/7/commit'), { status: 404, code: 'EX10_ACTIVITY_NOT_FOUND' })

  t.match(await history.ask('POST', 'activities', {}), { status: 201, activity: 2 })
  await history.push({ 'c.js': 'c' })
  t.match(await history.ask('POST', 'activities/2/commit'), { status: 200, outcome: 'committed' })
  t.ok((await history.files())['c.js'])
  t.match(await history.ask('POST', 'activities', {}), { status: 201, activity: 3 })
  await server.stop('SIGKILL')
  server = await next(t, server)
  history = historyOf(server, session.id)
  await eventually('an end of the unused activity', async () => (await history.activities())[0]?.outcome === 'committed')
  t.match(await history.activities(), [{ activity: 3 }, { activity: 2, outcome: 'committed' }, { activity: 1, outcome: 'discarded' }])
  await endSession(server, session.id)
  await assertEndsClean(t, server)
})

t.test('what a server acknowledged before it was killed is a version of the next one', async t => {
  let server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  let last = 0
  for (let round = 1; round <= 3; round++) {
    for (let push = 0; push < 5; push++) last = (await historyOf(server, id).push({ 'a.js': `${last + 1}` })).version
    await server.stop('SIGKILL')
    server = await next(t, server)
    t.equal(last, round * 5)
  }
  const history = historyOf(server, id)
  t.strictSame((await history.versions()).map(({ version }) => version), Array.from({ length: last + 1 }, (_, index) => last - index))
  for (let version = 1; version <= last; version++) t.equal(await (await fetch(`${server.url}/sessions/${id}/versions/${version}/files/a.js`)).text(), String(version))
  await endSession(server, id)
  await assertEndsClean(t, server)
})

t.test('the history has bounds: the oldest versions go first, those with a name last, and the newest never', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_HISTORY_SIZE: '1' })
  const [large, many] = [(await createSession(server)).id, (await createSession(server)).id]
  const history = historyOf(server, large)
  const pushLarge = () => history.push({ 'large.js': randomBytes(75_000).toString('hex') })
  await pushLarge()
  t.match(await history.ask('PATCH', 'versions/1', { label: 'good' }), { status: 200 })
  for (let version = 2; version <= 20; version++) await pushLarge()
  const kept = (await history.versions()).filter(({ kept }) => kept).map(({ version }) => version)
  t.match([kept[0], kept.at(-1)], [20, 1], 'the newest and the named one are there')
  t.ok(kept.length >= 5 && kept.length < 10, `of 20 versions of 150 kB each, ${kept.length} fit into 1 MiB`)
  t.strictSame(kept.slice(0, -1), Array.from({ length: kept.length - 1 }, (_, index) => 20 - index), 'the others are the last ones')
  const bytes = readdirSync(`${server.dataDir}/blobs/${large}`).reduce((sum, name) => sum + statSync(`${server.dataDir}/blobs/${large}/${name}`).size, 0)
  t.ok(bytes < 1.1 * 1024 * 1024, `they take ${bytes} bytes`)
  t.match(await history.rollBack('good'), { status: 200, rolledBackTo: 1 })
  t.match(await history.rollBack(2), { status: 404, code: 'EX10_VERSION_NOT_FOUND' })

  const small = historyOf(server, many)
  for (let push = 1; push <= 1050; push++) await small.push({ 'a.js': String(push % 2) })
  const versions = (await small.versions()).map(({ version }) => version)
  t.ok(versions.length <= 1000, `of 1050 small ones, ${versions.length} are kept`)
  t.equal(versions[0], 1050)
  await assertEndsClean(t, server)
})
