import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ask } from '#support/servers/client.ts'
import { listSessions, listStates, serve } from '#support/servers/creation.ts'
import { assertSurvived } from '#support/servers/ending.ts'
import { pastEvents } from '#support/servers/events.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, pushCode, readLines, type Server } from '#support/servers/server.ts'

/** How many files the server has open, and how many more it may: prlimit(1) changes that of a process that runs. */
const openFiles = (server: Server) => readdirSync(`/proc/${server.child.pid}/fd`).length
const mayOpen = (server: Server, count: number) => execFileSync('prlimit', [`--pid=${server.child.pid}`, `--nofile=${count}:`])
const MANY = 4096

/** Asks over one connection, which stays: there may be no file for another one. */
function lasting (t: Test, server: Server) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return (path: string, method = 'GET') => ask(server, path, { method, agent })
}

t.test('a server that can open no file refuses what it cannot do, harms no session, and works again as soon as it can', { timeout: 280_000 }, async t => {
  const server = await serve(t, lightDisplay())
  const [kept, other] = [await createSession(server), await createSession(server)]
  const askAgain = lasting(t, server)
  t.equal((await askAgain('/health')).status, 200)
  mayOpen(server, 3)
  t.match(await askAgain('/createSession'), { status: 503, headers: { 'retry-after': '10' }, body: { code: 'EX10_OVERLOADED' } }, 'a creation is told why, and when to come again')
  t.match(await askAgain('/health'), { status: 200, body: { sessions: 2 } }, 'who is connected is served, and the refused one has no slot')
  t.ok((await askAgain(`/session/${other.id}`, 'DELETE')).status >= 500, 'a session cannot be ended')
  await delay(25_000) // each program is asked every 5 s, and killed when it is silent three times
  mayOpen(server, MANY)
  await eventually('rules that can be read again', async () => (await fetch(`${server.url}/ready`)).ok)
  t.strictSame((await pastEvents(server, kept.id)).map(({ type }) => type).filter(type => !type.startsWith('firewall-')), ['ready'], 'no program of the session was taken for dead')
  t.match((await askAgain(`/sessions/${kept.id}`)).body, { state: 'ready', health: 'ok' })
  t.equal((await endSession(server, other.id)).status, 200, 'now the session can be ended')
  t.match(await (await pushCode(server, { sessionId: kept.id, filePath: 'x.js', content: 'x' })).json(), { success: true, version: 1 })
  await endSession(server, (await createSession(server)).id)
  t.strictSame(await listStates(server), [`${kept.id} ready`])
  await assertSurvived(t, server, 1)
})

t.test('wherever it is in a creation that the server runs out of files, the client is told, and what was made is undone', { timeout: 280_000 }, async t => {
  const server = await serve(t, lightDisplay())
  const told: Record<string, number> = {}
  let faults = 0
  for (let spare = 1; told.complete === undefined; spare++, faults++) {
    await eventually('rest', () => fetch(`${server.url}/health`).then(() => true))
    mayOpen(server, openFiles(server) + spare)
    const how = await tryToCreate(server)
    mayOpen(server, MANY)
    told[how] = (told[how] ?? 0) + 1
    for (const { id } of await listSessions(server)) t.equal((await endSession(server, id)).status, 200, `${spare} files: ${how}: ended`)
  }
  t.comment(JSON.stringify(told))
  const { complete, ...others } = told
  t.strictSame(Object.keys(others).filter(how => !how.includes('EX10_OVERLOADED') && how !== 'no connection'), [], 'every refusal says why')
  t.equal(complete, 1, 'with files enough there is a session')
  await assertSurvived(t, server, faults)
})

/** What the client of a creation is told last. */
async function tryToCreate (server: Server): Promise<string> {
  const response = await fetch(`${server.url}/createSession`).catch(() => undefined)
  if (!response) return 'no connection'
  if (!response.ok) return `${response.status} ${(await response.json() as { code: string }).code}`
  let last
  for await (const line of readLines(response)) last = line
  return last?.status === 'error' ? last.data.code : String(last?.status)
}

t.test('connections that take all of the server\'s files keep others out for only as long as they are open', async t => {
  const server = await serve(t, lightDisplay())
  const { id } = await createSession(server)
  const most = openFiles(server) + 20
  mayOpen(server, most)
  const sockets = Array.from({ length: 60 }, () => connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {}))
  await eventually('a server that is full', () => openFiles(server) >= most)
  for (const socket of sockets) socket.destroy()
  await eventually('an answer', () => fetch(`${server.url}/health`).then(({ ok }) => ok, () => false))
  mayOpen(server, MANY)
  t.strictSame(await listStates(server), [`${id} ready`])
  await endSession(server, (await createSession(server)).id)
  await assertSurvived(t, server, 1)
})
