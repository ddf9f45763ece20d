import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { ask, read } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, next, refusalOf, serve } from '#support/servers/creation.ts'
import { createSession, endSession, testEnv } from '#support/servers/server.ts'
import { startPostgres } from '#support/storage/postgres.ts'
import type { StoreServer } from '#support/storage/program.ts'
import { PASSWORD, startRedis } from '#support/storage/redis.ts'

const STORES: Record<string, (t: Test) => Promise<StoreServer>> = { PostgreSQL: startPostgres, Redis: startRedis }

/** A file with the stores' password, which only root can read. */
function passwordFile (t: Test): string {
  const folder = t.testdir()
  writeFileSync(`${folder}/password`, `${PASSWORD}\n`, { mode: 0o600 })
  return `${folder}/password`
}

for (const [name, start] of Object.entries(STORES)) {
  t.test(`with ${name}, a killed server's sessions, keys, links and audit log are there for the next one, and another server shares all but the sessions`, async t => {
    const { url } = await start(t)
    const settings = { ...lightDisplay(), EX10_AUTH: 'keys', EX10_STORE: url.replace(/:[^:@]*@/, '@'), EX10_STORE_PASSWORD_FILE: passwordFile(t) }
    const server = await serve(t, settings)
    const secret = await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin')
    const ada = as(server, secret)
    const { id } = await createSession(ada)
    const link = (await ask(ada, `/sessions/${id}/shares`, { method: 'POST', body: { mode: 'view', expiresIn: 600 } })).body
    await server.stop('SIGKILL')

    const second = await next(t, server)
    const still = as(second, secret)
    t.match(await listSessions(still), [{ id, state: 'ready' }])
    t.match((await read(still, '/sessions/:id/shares', { id })).shares, [{ id: link.id }])
    const { body: log } = await ask(still, '/admin/audit-log?verify=true')
    t.strictSame([log.intact, log.entries.map(({ action }: { action: string }) => action)], [true, ['share.created', 'session.created', 'key.created']])
    t.strictSame((await ask(still, '/admin/stats')).body.days.map(({ created }: { created: number }) => created), [1])

    const other = await serve(t, { ...settings, EX10_KEY_FILE: `${server.dataDir}/master-keys` })
    t.strictSame(await listSessions(as(other, secret)), [], 'the other server takes the key, and has its own sessions')
    t.match((await read(still, '/sessions/:id/shares', { id })).shares, [{ id: link.id }], 'and does not take the link for a leftover of its own')
    const revoked = as(other, await keysCommand(other, 'create', '--user', 'ben'))
    const [key] = (await keysCommand(server, 'list')).split('\n').find(line => line.includes('  ben  '))!.split(' ')
    await keysCommand(server, 'revoke', key!)
    for (const { url } of [second, other]) t.equal((await ask(as({ ...second, url }, revoked.headers!.authorization!.slice(7)), '/sessions')).status, 401, 'a key that is revoked by one server holds at none')
    for (const each of [second, other]) t.notMatch(each.output(), new RegExp(PASSWORD.replace('?', '\\?')), 'no log has the password')

    t.equal((await endSession(still, id)).status, 200)
    t.strictSame((await ask(still, '/admin/audit-log?verify=true')).body.intact, true)
    await assertEndsClean(t, as(other, secret))
    await assertEndsClean(t, still)
  })

  t.test(`a server that cannot use its ${name} says why in one line, without the password, and does not start`, async t => {
    const server = await start(t)
    const refused = async (url: string) => {
      const said = await refusalOf(testEnv({ EX10_STORE: url }))
      t.notMatch(said, 'p%40ss')
      t.notMatch(said, PASSWORD)
      return said
    }
    t.match(await refused(server.url.replace(/:p%40[^@]*@/, ':p%40ssing@')), /^the server ended with 1: ex10: EX10_STORE=(postgres|redis):\/\/127\.0\.0\.1:\d+\/?\w* cannot be used: (password authentication failed|WRONGPASS).*\n$/)
    await server.stop()
    t.match(await refused(server.url), /^the server ended with 1: ex10: EX10_STORE=(postgres|redis):\/\/127\.0\.0\.1:\d+\/?\w* cannot be used: connect ECONNREFUSED 127\.0\.0\.1:\d+.*\n$/)
  })
}
