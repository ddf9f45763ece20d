import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { assertAsBefore, listStates, next, refusalOf } = await import('#support/servers/creation.ts')
const { assertAuditsClean, assertSurvived } = await import('#support/servers/ending.ts')
const { lightDisplay } = await import('#support/display/light-display.ts')
const { read } = await import('#support/servers/client.ts')
const { listMachine } = await import('#support/servers/machine.ts')
const { inside } = await import('#support/sandbox.ts')
const { createSession, endSession, pushCode } = await import('#support/servers/server.ts')
const { smallDisk } = await import('#support/faults/small-disk.ts')

type Server = Awaited<ReturnType<typeof next>>

const HOME = { EX10_HOME_SIZE: '64' }

async function push (server: Server, sessionId: string, content: string) {
  const answer = await pushCode(server, { sessionId, filePath: 'pushed.js', content })
  return [answer.status, (await answer.json() as { code?: string }).code]
}

/** The creation is refused, and nothing is made for it. */
async function assertRefused (t: typeof import('tap').t | import('tap').Test, server: Server, why: string) {
  const before = await listMachine(server)
  const answer = await fetch(`${server.url}/createSession`)
  t.equal(answer.status, 507, why)
  t.equal(answer.headers.get('retry-after'), '10')
  t.match(await answer.json(), { success: false, code: 'EX10_NO_DISK', message: /^The server's disk could not hold another session/, statusCode: 507 })
  t.strictSame(await listMachine(server), before, `${why}: nothing was made`)
}

for (const [kind, title] of [['bytes', 'no byte'], ['inodes', 'no file']] as const) {
  t.test(`a data disk that takes ${title} more starts nothing new, and what lives can be ended; with room again, all goes on`, { timeout: 200_000 }, async t => {
    const disk = smallDisk(t, { sizeMiB: 340, inodes: 2500 }, { ...lightDisplay(), ...HOME })
    const server = await next(t, disk)
    const empty = await listMachine(server)
    const sessions = [await createSession(server), await createSession(server), await createSession(server)]
    if (kind === 'bytes') await assertRefused(t, server, 'a fourth home would not fit beside three full ones')
    await endSession(server, sessions.pop()!.id)
    const { python, facts } = await inside(t, server, sessions[0]!)

    disk.fill(kind)
    await assertRefused(t, server, 'the disk is full')
    const answers: unknown[] = []
    for (let time = 0; time < 8; time++) answers.push(await push(server, sessions[0]!.id, 'x'.repeat(1024 * 1024)))
    t.comment(`pushes meanwhile: ${JSON.stringify(answers)}`)
    t.ok(answers.every(answer => ['[200,null]', '[507,"EX10_NO_DISK"]', '[507,"EX10_DISK_FULL"]', '[502,"EX10_WRITER_FAILED"]'].includes(JSON.stringify(answer))), 'a push is taken, or its refusal says why')
    if (kind === 'bytes') t.comment(`a session that fills its home meanwhile: ${await python('fill.py', 'bytes', facts.account.home).catch((error: Error) => error.message)}`)
    t.equal((await fetch(`${server.url}/health`)).status, 200)
    t.strictSame(await listStates(server), sessions.map(({ id }) => `${id} ready`))
    t.equal((await endSession(server, sessions[0]!.id)).status, 200, 'a session can be ended')
    t.strictSame(await listStates(server), [`${sessions[1]!.id} ready`])
    await assertAuditsClean(t, server, 'on a full disk')

    disk.clear()
    t.strictSame(await push(server, sessions[1]!.id, 'x'), [200, undefined], 'with room again, the other session takes pushes')
    await endSession(server, (await createSession(server)).id)
    t.equal((await endSession(server, sessions[1]!.id)).status, 200)
    await assertAsBefore(t, server, empty, 'after it all')
    await assertSurvived(t, server, 1)
  })
}

t.test('with evict-oldest, a disk with room for no home more lets a new session take the place of an old one; a full disk ends none', { timeout: 200_000 }, async t => {
  const disk = smallDisk(t, { sizeMiB: 340, inodes: 2500 }, { ...lightDisplay(), ...HOME, EX10_MAX_SESSIONS_PER_USER: '3', EX10_WHEN_FULL: 'evict-oldest' })
  const server = await next(t, disk)
  const [oldest, ...others] = [await createSession(server), await createSession(server), await createSession(server)]
  const newest = await createSession(server)
  const left = [...others, newest].map(({ id }) => `${id} ready`)
  t.strictSame(await listStates(server), left, `${oldest!.id} has made room`)
  disk.fill('bytes')
  await assertRefused(t, server, 'the disk is full')
  t.strictSame(await listStates(server), left, 'and nobody has made room in vain')
  disk.clear()
  await assertSurvived(t, server, 1)
})

t.test('a start on a full disk is refused in one line that names the folder; so is set-up', async t => {
  for (const kind of ['bytes', 'inodes'] as const) {
    const disk = smallDisk(t, { sizeMiB: 64, inodes: 100 }, { EX10_LOG_LEVEL: 'silent' })
    disk.fill(kind)
    t.match(await refusalOf(disk.env), /^the server ended with 1: ex10: the disk of \/\S+\/data(\/\w+)? is full: free some space there, then start again\n$/, kind)
    if (kind === 'bytes') continue
    rmSync(`${disk.env.EX10_DATA_DIR}/templates`)
    const { status, stderr } = spawnSync(process.execPath, ['bin/setup.mjs'], { env: { PATH: process.env.PATH, EX10_DATA_DIR: disk.env.EX10_DATA_DIR }, encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /^ex10: the disk of \/\S+ is full: free some space there, then start again\n$/)
  }
})

t.test('a server that starts on a disk that takes no file more makes no session, and gives homes a size once there is room', { timeout: 200_000 }, async t => {
  const disk = smallDisk(t, { sizeMiB: 340, inodes: 2500 }, { ...lightDisplay(), ...HOME })
  await (await next(t, disk)).stop('SIGKILL') // its databases are as they were, with all that SQLite puts beside them
  disk.fill('inodes')
  const server = await next(t, disk)
  const home = async () => (await read(server, '/health')).isolation.home
  t.equal(await home(), 'unknown')
  await assertRefused(t, server, 'the disk is full')
  disk.clear()
  const session = await createSession(server)
  t.equal(await home(), 'image')
  await endSession(server, session.id)
  await assertSurvived(t, server, 1)
})
