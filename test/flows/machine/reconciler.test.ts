import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { auditFromServer, CLEAN } from '#support/servers/audit.ts'
import { assertEndsClean, listStates, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { plantOrphans } from '#support/servers/orphans.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'

/** A pass comes every 30 s, and takes a few. */
const PASS_MS = 60_000

t.test('what no live session accounts for is removed by the running server, and what its sessions have is left alone', async t => {
  const server = await serve(t)
  const other = await serve(t, lightDisplay())
  const [session, stuck, neighbour, old] = await Promise.all([createSession(server), createSession(server), createSession(other), createSession(server)])
  t.equal((await endSession(server, old.id)).status, 200)

  // a mount in its folder keeps a session from being removed
  const mount = `${server.dataDir}/sessions/${stuck.id}/mount`
  mkdirSync(mount)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mount])
  t.equal((await endSession(server, stuck.id)).status, 500, 'its end fails')
  t.match((await auditFromServer(server)).leaked, [`half-ended session: ${stuck.id}, whose teardown failed`], 'and the audit says that nobody is at it')
  execFileSync('umount', [mount])

  const database = new DatabaseSync(`${server.dataDir}/registry.db`)
  t.teardown(() => database.close())
  database.exec(`UPDATE sessions SET ended_at = '2020-01-01T00:00:00.000Z' WHERE id = '${old.id}'`)
  const records = () => database.prepare('SELECT id FROM sessions').all().length
  t.equal(records(), 3)

  const orphans = await plantOrphans(server)
  t.teardown(orphans.remove)
  const gone = async () => {
    const { leaked } = await auditFromServer(server)
    return leaked.every(line => orphans.others.includes(line)) && leaked
  }
  t.strictSame(await eventually('the orphans are gone', gone, PASS_MS), orphans.others, 'all are gone, but what only a person may remove')
  const told = server.output().split('\n').filter(line => line.includes(`${server.dataDir}/odd`))
  t.equal(told.length, 1, 'of a folder that people have put there, the log has one line')
  t.match(told[0], /"level":40,.*"unknown":\["[^"]+\/odd"\].*keep them elsewhere/)

  await orphans.remove()
  t.strictSame(await listStates(server), [`${session.id} ready`], 'the live session lives, and the one that was stuck has ended')
  t.equal(records(), 2, 'and what ended long ago is forgotten')
  t.strictSame(await listStates(other), [`${neighbour.id} ready`], 'so does another instance\'s')
  t.strictSame(await auditFromServer(other), CLEAN)
  for (const [place, { id }] of [[server, session], [other, neighbour]] as const) {
    t.equal((await endSession(place, id)).status, 200)
    await assertEndsClean(t, place)
  }
})

t.test('what a killed server left without any record is gone when the next one is ready', async t => {
  const killed = await serve(t, lightDisplay())
  const orphans = await plantOrphans(killed)
  t.teardown(orphans.remove)
  await killed.stop('SIGKILL')
  const startedAt = performance.now()
  const server = await next(t, killed)
  t.comment(`ready after ${Math.round(performance.now() - startedAt)} ms`)
  const { leaked } = await auditFromServer(server)
  t.strictSame(leaked, orphans.others, 'all are gone, but what only a person may remove')
  await orphans.remove()
  await assertEndsClean(t, server)
})
