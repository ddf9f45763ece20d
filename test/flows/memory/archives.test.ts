import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { wallClock } from '#support/faults/clock.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

t.test('what remains of an ended session is its owner\'s: listed, downloaded, deleted; with EX10_ARCHIVE=1, over restarts', async t => {
  let server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_ARCHIVE: '1', EX10_RECOVERY_WINDOW: '0' })
  const [ada, anna, ben] = await Promise.all([['ada', '--role', 'admin'], ['anna'], ['ben']].map(async words => as(server, await keysCommand(server, 'create', '--user', ...words)))) as [Server, Server, Server]
  const to = (who: Server) => ({ ...server, headers: who.headers! })
  const list = async (who: Server, query = '') => (await ask(to(who), `/archives${query}`)).body
  const idsOf = ({ archives }: { archives: { id: string }[] }) => archives.map(({ id }) => id)
  const archived = async (who: Server) => {
    const { id } = await createSession(to(who))
    t.equal((await ask(to(who), '/updateCode', { method: 'POST', body: { sessionId: id, filePath: 'deep/a.js', content: `// of ${id}` } })).status, 200)
    t.equal((await ask(to(who), `/sessions/${id}/state/user_data/note`, { method: 'PUT', body: '"remember"' })).status, 201)
    t.equal((await endSession(to(who), id)).status, 200)
    await eventually('an archive', async () => (await list(who)).archives.some((archive: { id: string, isOver: boolean }) => archive.id === id && archive.isOver))
    return id
  }
  const first = await archived(anna)
  const second = await archived(anna)
  const bens = await archived(ben)
  t.strictSame(idsOf(await list(anna)), [second, first], 'the last ended first')
  t.strictSame([idsOf(await list(ada)), idsOf(await list(ada, '?user=anna'))], [[bens, second, first], [second, first]], 'admins see all')
  const page = await list(ada, '?limit=2')
  t.strictSame([idsOf(page), idsOf(await list(ada, `?limit=2&after=${encodeURIComponent(page.next)}`))], [[bens, second], [first]])
  t.match(await ask(to(ben), '/archives?user=anna'), { status: 403 })
  t.match((await ask(to(anna), `/archives/${first}`)).body, { id: first, owner: 'anna', template: 'vanilla', reason: 'deleted', version: 1, isOver: true, deletedAfter: /^20/ })
  for (const [method, path] of [['GET', ''], ['GET', '/download'], ['DELETE', '']] as const) t.match(await ask(to(ben), `/archives/${first}${path}`, { method }), { status: 404, body: { code: 'EX10_ARCHIVE_NOT_FOUND' } }, `${method}${path} is for its owner`)

  await server.stop('SIGKILL')
  server = await next(t, server)
  const folder = t.testdir()
  for (const who of [anna, ada]) {
    const response = await fetch(`${server.url}/archives/${first}/download`, { headers: who.headers! })
    t.match(response.headers.get('content-disposition'), `session-${first}.tar.gz`)
    writeFileSync(`${folder}/a.tar.gz`, Buffer.from(await response.arrayBuffer()))
    mkdirSync(`${folder}/a`, { recursive: true })
    execFileSync('tar', ['-xzf', `${folder}/a.tar.gz`, '-C', `${folder}/a`])
    const jsonOf = (name: string) => JSON.parse(readFileSync(`${folder}/a/${name}.json`, 'utf8'))
    t.equal(readFileSync(`${folder}/a/code/deep/a.js`, 'utf8'), `// of ${first}`)
    t.ok(readFileSync(`${folder}/a/code/manifest.json`, 'utf8'))
    t.match(jsonOf('session'), { id: first, owner: 'anna', reason: 'deleted' })
    const types = jsonOf('events').map(({ type }: { type: string }) => type)
    t.strictSame([types[0], types.includes('pushed'), types.filter((type: string) => type === 'ended').length, types.at(-1)], ['ready', true, 1, 'ended'])
    t.match(jsonOf('analytics'), { pushes: 1, end: { reason: 'deleted' } })
    t.match(jsonOf('state'), { categories: { user_data: { note: 'remember' } } })
  }
  t.match((await ask(to(ada), '/admin/audit-log?action=session.viewed')).body.entries, [{ user: 'ada', target: first, details: { owner: 'anna' } }], 'that an admin read it is noted')

  t.equal((await ask(to(anna), `/archives/${first}`, { method: 'DELETE' })).status, 200)
  t.equal((await ask(to(anna), `/archives/${first}/download`)).status, 404)
  t.match((await ask(to(ada), '/users/anna/data', { method: 'DELETE' })).body, { erased: { archives: 1, analytics: 2 }, failed: [] })
  t.strictSame(idsOf(await list(ada)), [bens])
  t.equal((await ask(to(ada), `/archives/${bens}`, { method: 'DELETE' })).status, 200)
  await assertEndsClean(t, to(ada))
})

t.test('what is kept of an ended session is deleted EX10_RETENTION_DAYS after its end, by itself', async t => {
  const clock = wallClock(t)
  const server = await serve(t, { ...clock.env, ...lightDisplay(), EX10_ARCHIVE: '1', EX10_RETENTION_DAYS: '30', EX10_RECOVERY_WINDOW: '0' })
  const ended = async (server: Server) => {
    const { id } = await createSession(server)
    t.equal((await endSession(server, id)).status, 200)
    await eventually('its archive', async () => (await ask(server, '/archives')).body.archives.some((archive: { id: string, isOver: boolean }) => archive.id === id && archive.isOver))
    return id
  }
  clock.set(-31 * 24)
  const old = await ended(server)
  clock.set(-29 * 24)
  const young = await ended(server)
  await server.stop()
  clock.set(0)
  const records = new DatabaseSync(`${server.dataDir}/records.db`)
  records.exec('DELETE FROM records WHERE partition = \'retention/clock\'') // the server is to take it for time that went by
  records.close()
  const later = await next(t, server)
  await eventually('the old one is gone', async () => (await ask(later, `/archives/${old}`)).status === 404)
  t.match((await ask(later, '/archives')).body.archives, [{ id: young }])
  t.match([(await ask(later, `/sessions/${old}/analytics`)).status, (await ask(later, `/sessions/${young}/analytics`)).status], [404, 200], 'nor are there analytics of it')
  t.strictSame(globSync(`${later.dataDir}/blobs/${old}*`), [], 'nor files')
  t.equal((await ask(later, `/archives/${young}`, { method: 'DELETE' })).status, 200)
  await assertEndsClean(t, later)
})
