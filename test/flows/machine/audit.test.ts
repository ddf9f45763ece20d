import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import pino from 'pino'
import t from 'tap'
import { buildApp } from '#app.ts'
import { readConfig } from '#config.ts'
import { createAccount } from '#system/accounts/accounts.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { copyEtc } from '#support/faults/etc.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { plantOrphans } from '#support/servers/orphans.ts'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, eventually, testEnv, type Server } from '#support/servers/server.ts'

t.test('the audit names each thing that no live session accounts for, and nothing of other instances', async t => {
  const servers = [await serve(t), await serve(t)]
  await Promise.all(servers.map(server => createSession(server)))
  for (const server of servers) {
    t.strictSame(await auditFromServer(server), CLEAN, 'a live session is all right')
    t.strictSame(await auditFromTerminal(server), CLEAN, 'from the terminal, too')
    await server.stop('SIGKILL') // nobody removes what is planted; ready sessions live on
  }
  const [server, other] = servers as [Server, Server]
  const orphans = await plantOrphans(server)
  t.teardown(orphans.remove)
  const [seen, seenByOther] = await Promise.all([auditFromTerminal(server), auditFromTerminal(other)])
  t.strictSame(seen, { leaked: [...orphans.repairable, ...orphans.others].sort(), missing: [], unknown: orphans.unknown, code: 1 }, 'npm run audit names what was planted, and nothing else')
  t.strictSame(seenByOther, CLEAN, 'for another instance, all is well')
  await orphans.remove()
  t.strictSame(await auditFromTerminal(server), CLEAN, 'after it was removed, all is well')
  for (const killed of servers) await assertEndsClean(t, await next(t, killed))
})

t.test('the audit names lock files that nobody holds, and lines without an account that a session had', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  const { name } = readFacts(server, id).account
  t.equal((await endSession(server, id)).status, 200)
  const planting = ': >"$1/passwd.lock"; echo "$2:!::::::::" >>"$1/shadow"; echo "ex10_user_00000000:!::::::::" >>"$1/shadow"; mount --bind "$1" /etc; exec "$3" bin/audit.mjs'
  const { status, stdout } = spawnSync('unshare', ['--mount', 'sh', '-ec', planting, 'sh', copyEtc(t), name, process.execPath], { env: { PATH: process.env.PATH, ...server.env }, encoding: 'utf8' })
  t.equal(status, 1)
  t.strictSame(JSON.parse(stdout), { leaked: [{ kind: 'lock', name: '/etc/passwd.lock' }, { kind: 'account', name: `${name} in /etc/shadow` }], missing: [] })
  await assertEndsClean(t, server)
})

t.test('the audit names each thing that a live session lacks', async t => {
  let server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  await server.stop('SIGKILL') // a server would put right at once what it can
  const { account, slot } = readFacts(server, id)
  const folder = `${server.dataDir}/sessions/${id}`
  const nft = (input: string) => execFileSync('nft', ['-f', '-'], { input })
  const table = execFileSync('nft', ['list', 'table', 'inet', server.instance], { encoding: 'utf8' })
  const elements = [slot.displayPort, slot.devServerPort, slot.devToolsPort].map(port => `open port: ${account.uid} . ${port}`)
  const groups = readFileSync(`${folder}/cgroups`, 'utf8')
  const intruder = spawn('sleep', ['1000'], { env: CLEAN_ENV }) // it is noticed when it is some seconds old

  const lacks: [string, string[], () => unknown, () => unknown][] = [
    ['account', [`account: ${account.name} in /etc/passwd`, `account: ${account.name} in /etc/shadow`],
      () => execFileSync('userdel', ['--force', account.name], { stdio: 'ignore' }), () => createAccount(account, AbortSignal.timeout(20_000))],
    ['home', [`home: ${account.home}`], () => renameSync(`${account.home}.img`, `${server.dataDir}/home`), () => renameSync(`${server.dataDir}/home`, `${account.home}.img`)],
    ['an open port', elements.slice(0, 1),
      () => nft(`delete element inet ${server.instance} own { ${account.uid} . ${slot.displayPort} }`), () => nft(`add element inet ${server.instance} own { ${account.uid} . ${slot.displayPort} }`)],
    ['the rules', ['firewall: rules', ...elements], () => nft(`delete table inet ${server.instance}`), () => nft(table)],
    ['a listener', [`listener: ${slot.devServerPort} of uid ${account.uid}`],
      () => execFileSync('s6-svc', ['-wD', '-d', `${folder}/services/dev-server`]), () => execFileSync('s6-svc', ['-wu', '-u', `${folder}/services/dev-server`])],
    ['what runs for a service', [`process: root's s6-log 5 of ${id}`, `process: root's s6-supervise 10 of ${id}`, `process: root's s6-supervise 9 of ${id}`],
      () => mkdirSync(`${folder}/services/none`), () => rmdirSync(`${folder}/services/none`)],
    ['a cgroup', ['cgroup: /sys/fs/cgroup/none'], () => appendFileSync(`${folder}/cgroups`, '/sys/fs/cgroup/none\n'), () => writeFileSync(`${folder}/cgroups`, groups)]
  ]
  for (const [what, expected, take, giveBack] of lacks) {
    await take()
    const seen = await auditFromTerminal(server)
    await giveBack()
    t.strictSame(seen.missing, expected.sort(), what)
    t.equal(seen.code, 1)
  }

  const group = groups.split('\n')[0]!
  writeFileSync(`${group}/cgroup.procs`, String(intruder.pid))
  const tooMany = await eventually('it is seen', async () => {
    const seen = await auditFromTerminal(server)
    return seen.code !== 0 && seen
  }, 30_000)
  intruder.kill()
  await once(intruder, 'exit')
  t.strictSame(tooMany, { leaked: [`process: root's sleep 1 of ${id}`], missing: [], code: 1 }, 'and what root has in it too much')

  server = await next(t, server)
  await t.test('a record that the server does not know', async t => {
    const database = new DatabaseSync(`${server.dataDir}/registry.db`)
    const stranger = 'f'.repeat(32)
    database.prepare("INSERT INTO sessions (id, state, facts, created_at) VALUES (?, 'ready', ?, '')").run(stranger, JSON.stringify({ id: stranger, slot, account }))
    const { missing } = await auditFromServer(server)
    database.prepare('DELETE FROM sessions WHERE id = ?').run(stranger)
    database.close()
    t.ok(missing.includes(`session: ${stranger}`), 'its place among the live sessions is missed')
  })
  t.equal((await endSession(server, id)).status, 200)
  await assertEndsClean(t, server)
})

t.test('without a server, what a half-made session has is leaked, and what a ready one has is not', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  await server.stop('SIGKILL')
  t.strictSame(await auditFromTerminal(server), CLEAN, 'a ready session waits for the next server')
  const folder = `${server.dataDir}/sessions/${id}`
  renameSync(folder, `${folder}-away`)
  t.strictSame(await auditFromTerminal(server), { leaked: [`folder: ${folder}-away`], missing: [`folder: ${folder}`, `process: init of ${id}`], code: 1 }, 'its folder is missed, and the init that it tells of')
  renameSync(`${folder}-away`, folder)
  const database = new DatabaseSync(`${server.dataDir}/registry.db`)
  database.prepare("UPDATE sessions SET state = 'creating'").run()
  database.close()
  const { leaked, code } = await auditFromTerminal(server)
  t.equal(code, 1)
  const { account } = readFacts(server, id)
  for (const line of [`record: ${id} creating`, `home: ${account.home}`, `account: ${account.name} in /etc/passwd`]) t.ok(leaked.includes(line), line)
  t.ok(leaked.some(line => line.startsWith('process: ') && line.includes('s6-svscan')), 'its init')
  await assertEndsClean(t, await next(t, server))
})

const LOCAL_REQUESTER = { user: 'local', address: '127.0.0.1', isAuthenticated: false }

t.test('the audit names what the server itself holds for no live session', async t => {
  const app = await buildApp(readConfig(testEnv({ EX10_LOG_LEVEL: 'silent', EX10_MAX_SESSIONS: '1', EX10_WHEN_FULL: 'queue' })), pino({ level: 'silent' }))
  t.teardown(() => app.close())
  const audited = async () => (await app.inject('/admin/audit')).json()
  t.strictSame(await audited(), { leaked: [], missing: [] })

  const admission = await app.creations.admit(LOCAL_REQUESTER, {}) // and no creation follows
  if ('turn' in admission) throw new Error('it was not let in')
  const { facts } = admission
  const waiting = await app.creations.admit(LOCAL_REQUESTER, {}) // likewise
  if ('facts' in waiting) throw new Error('it does not wait')
  const unwatch = app.supervision.watch(facts, () => {})
  await t.rejects(app.codeUpdates.push(facts, 'local', [{ filePath: 'a.js', content: '' }]), { code: 'EX10_WRITER_FAILED' })
  app.upgrades.issueTicket(facts.id, { address: '127.0.0.1', credential: app.credentials.find('none') })
  const { leaked, missing } = await audited()
  t.strictSame(leaked, [{ kind: 'slot', name: `slot ${facts.slot.index}` }, { kind: 'place', name: facts.id }, { kind: 'forgotten turn', name: `${waiting.turn.id}, for which nobody waits` }, { kind: 'promised home', name: facts.id }, { kind: 'supervisor', name: facts.id }, { kind: 'pipeline', name: facts.id }, { kind: 'ticket', name: facts.id }])
  t.strictSame(missing, [])

  unwatch()
  app.codeUpdates.stop(facts)
  app.events.publish(facts, { type: 'failed', message: 'It is not made' })
  for (const { undo } of [waiting, admission]) await undo.run()
  t.strictSame(await audited(), { leaked: [], missing: [] })
})

t.test('an audit that cannot look says so, and not that all is well', async t => {
  const server = await serve(t, lightDisplay(), { end: 'unchecked' }) // its registry will be none
  await t.rejects(auditFromTerminal({ env: { ...server.env, EX10_PORT_BASE: 'x' } }), /could not look: ex10: not audited: EX10_PORT_BASE=x cannot be used/)
  writeFileSync(`${server.dataDir}/not-a-registry`, 'no database')
  await server.stop()
  execFileSync('cp', [`${server.dataDir}/not-a-registry`, `${server.dataDir}/registry.db`])
  execFileSync('rm', ['-f', `${server.dataDir}/not-a-registry`, `${server.dataDir}/registry.db-wal`, `${server.dataDir}/registry.db-shm`])
  await t.rejects(auditFromTerminal(server), /could not look: .*not a database/)
})
