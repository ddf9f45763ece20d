import t from 'tap'
import type { CodeUpdated } from '#schemas/code-update.ts'
import type { VersionList, VersionView } from '#schemas/version.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, pushCode, type Server } from '#support/servers/server.ts'

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

t.test('what a server acknowledged before it was killed is a version of the next one', async t => {
  let server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  let last = 0
  for (let round = 0; round < 3; round++) {
    const before = last
    await server.stop('SIGKILL').catch(() => {})
    server = await next(t, server)
    const history = historyOf(server, id)
    for (let push = 0; push < 5; push++) last = (await history.push({ 'a.js': `${++last}` })).version
    t.equal(last, before + 5)
  }
  await server.stop('SIGKILL')
  server = await next(t, server)
  const history = historyOf(server, id)
  t.strictSame((await history.versions()).map(({ version }) => version), Array.from({ length: last + 1 }, (_, index) => last - index))
  await endSession(server, id)
  await assertEndsClean(t, server)
})
