import { execFileSync } from 'node:child_process'
import { rmSync, symlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { read } from '#support/servers/client.ts'
import { next, refusalOf, serve } from '#support/servers/creation.ts'
import { listMachine } from '#support/servers/machine.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, placeOf, testEnv, type Server } from '#support/servers/server.ts'

const MIB = 1024 * 1024
const NO_LOOP_DEVICES = ['unshare', '--mount', '--', 'sh', '-ec', 'for device in /dev/loop*; do mount --bind /dev/null $device; done; exec "$0" "$@"']
const READ_ONLY_CGROUPS = ['unshare', '--mount', '--', 'sh', '-ec', 'findmnt -n -l -o TARGET -t cgroup,cgroup2 | while read -r folder; do mount -o remount,bind,ro "$folder"; done; exec "$0" "$@"']
const NO_LANDLOCK = ['/usr/bin/python3', '-I', '-S', 'test/fixtures/no-landlock.py']

const NO_NF_TABLES = ['/usr/bin/python3', '-I', '-S', 'test/fixtures/no-nf-tables.py']

const isolationOf = async (server: Server) => (await read(server, '/health')).isolation

async function works (t: Test, server: Server): Promise<void> {
  const session = await createSession(server)
  t.equal((await endSession(server, session.id)).status, 200)
}

t.test('where homes cannot have a size, they are folders, and /health says so', async t => {
  const server = await serve(t, {}, { prefix: NO_LOOP_DEVICES })
  t.match(await isolationOf(server), { home: 'folder' })
  t.match(server.output(), /home size limit unavailable/, 'the log tells the operator')
  await works(t, server)
})

t.test('EX10_STRICT=1 refuses to start there, in one line that names what is missing, and starts elsewhere', async t => {
  const strict = { EX10_STRICT: '1', EX10_LOG_LEVEL: 'silent' }
  const refused = testEnv(strict)
  t.match(await refusalOf(refused, NO_LOOP_DEVICES), /^the server ended with 1: ex10: EX10_STRICT=1 cannot be kept: [^\n]*home[^\n]*\n$/)
  t.strictSame(await listMachine(placeOf(refused)), [], 'and leaves nothing')
  rmSync(refused.EX10_DATA_DIR!, { recursive: true })
  const server = await serve(t, strict)
  t.match(await isolationOf(server), { home: 'image', limits: ['cpu', 'memory', 'pids'] })
})

t.test('where cgroups are read-only, as in a container without privileges, sessions have no limits, and /health says so', async t => {
  const server = await serve(t, {}, { prefix: READ_ONLY_CGROUPS })
  t.match(await isolationOf(server), { cgroup: 'none', limits: [] })
  t.match(server.output(), /no cgroup limits on this host/, 'the log tells the operator')
  await works(t, server)
})

t.test('where the kernel has no nf_tables, the firewall is iptables, and /health says so', async t => {
  const server = await serve(t, {}, { prefix: NO_NF_TABLES })
  t.match(await isolationOf(server), { firewall: 'iptables' })
  t.match(server.output(), /this host has no nftables/, 'the log tells the operator')
  await works(t, server)
})

t.test('where the kernel has no Landlock, sessions run without it, and /health says so; more memory for a session than the machine has is a warning', async t => {
  const server = await serve(t, { EX10_SESSION_MEMORY: '10000000' }, { prefix: NO_LANDLOCK })
  t.match(server.output(), /"level":40.*EX10_SESSION_MEMORY is above the memory of this machine/)
  t.match(await isolationOf(server), { landlock: 'none', seccomp: 'filter' })
  await works(t, server)
})

t.test('a session whose home the disk could not hold is refused, and homes that were promised can be filled', { timeout: 200_000 }, async t => {
  const HOME_MIB = 64
  const env = testEnv({ EX10_HOME_SIZE: String(HOME_MIB) })
  const { EX10_DATA_DIR: dataDir = '' } = env
  rmSync(`${dataDir}/templates`)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=250m,mode=711', 'tmpfs', dataDir]) // room for two homes, and for what is beside them
  t.teardown(() => { execFileSync('umount', [dataDir]); rmSync(dataDir, { recursive: true }) })
  symlinkSync('../templates', `${dataDir}/templates`)
  const server = await next(t, { env })

  const answers = await Promise.allSettled([1, 2, 3, 4].map(() => createSession(server)))
  const sessions = answers.flatMap(answer => answer.status === 'fulfilled' ? [answer.value] : [])
  const refusals = answers.flatMap(answer => answer.status === 'rejected' ? [(answer.reason as Error).message] : [])
  t.equal(sessions.length, 2, 'of four at the same time, two are made')
  for (const refusal of refusals) t.match(refusal, /^not created: 507 .*EX10_NO_DISK/, 'two are refused')
  t.equal((await fetch(`${server.url}/ready`)).status, 507)

  for (const session of sessions) {
    const { facts, python } = await inside(t, server, session)
    const [error, bytes] = await python('fill.py', 'bytes', facts.account.home)
    t.ok(error === 'ENOSPC' && bytes > 0.6 * HOME_MIB * MIB, `${error} after ${Math.round(bytes / MIB)} MiB beside what was there`)
  }
  t.equal((await endSession(server, sessions[0]!.id)).status, 200)
  t.equal((await fetch(`${server.url}/ready`)).status, 200, 'when one has ended, there is room for another')
  t.equal((await endSession(server, (await createSession(server)).id)).status, 200)
})
