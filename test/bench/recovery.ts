import { readInit } from '#system/sandbox/sandbox.ts'
import { ask } from '#support/servers/client.ts'
import { createSession, endSession, eventually, pushCode, readLines, type Server } from '#support/servers/server.ts'

/** The milliseconds of a creation that brings a session back, with its code, its state and its tab, after its sandbox was killed. */
export async function recovered (server: Server): Promise<number> {
  const { id } = await createSession(server)
  await pushCode(server, { sessionId: id, filePath: 'kept.js', content: 'x'.repeat(8192) })
  await ask(server, `/sessions/${id}/state/bench`, { method: 'PUT', body: Object.fromEntries(Array.from({ length: 100 }, (_, key) => [`v${key}`, 'x'.repeat(1000)])) })
  process.kill((await readInit(`${server.dataDir}/sessions/${id}`))!.pid, 'SIGKILL')
  const { body: { token } } = await eventually('a recovery point', async () => {
    const answer = await ask(server, `/recoverable/${id}/token`, { method: 'POST' })
    return answer.status === 200 ? answer : undefined
  }, 30_000)
  const start = performance.now()
  const response = await fetch(`${server.url}/recover`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }) })
  let back: string | undefined
  for await (const line of readLines(response)) if (line.status === 'complete') back = line.data.sessionId
  const ms = performance.now() - start
  if (back === undefined) throw new Error('not brought back')
  await endSession(server, back)
  return ms
}
