import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { firstLine, inside, pythonArgv } from '#support/sandbox.ts'
import { createSession, endSession, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

/** What a greedy session takes all of, and the word for it in the fixture. */
const GREED = { 'its memory': 'memory', 'its processes': 'processes', 'its disk': 'bytes', 'its inodes': 'inodes' }
const SAMPLES = 100
const PAUSE_MS = 20
const AT_MOST = 2
/** A machine that others use, too, makes one round slow now and then; it does not make each of them slow. */
const ROUNDS = 3

/** What 95 of 100 pushes of a neighbour take at most, made one at a time as an editor makes them. */
async function p95 (server: Server, { id }: CreatedSession): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < SAMPLES; i++) {
    const startedAt = performance.now()
    const { status } = await pushCode(server, { sessionId: id, filePath: 'a.js', content: `// ${i} ${'x'.repeat(8192)}` })
    if (status !== 200) throw new Error(`the neighbour's push was answered with ${status}`)
    samples.push(performance.now() - startedAt)
    await delay(PAUSE_MS)
  }
  return samples.sort((a, b) => a - b)[Math.ceil(SAMPLES * 0.95) - 1]!
}

t.test('a session that takes all it can get does not make its neighbours slow', { timeout: 400_000 }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_HOME_SIZE: '256', EX10_LOG_LEVEL: 'warn' })
  const neighbour = await createSession(server)
  for (const [what, word] of Object.entries(GREED)) {
    const ratios: number[] = []
    while (ratios.length < ROUNDS && !ratios.some(ratio => ratio <= AT_MOST)) {
      const session = await createSession(server)
      const { facts, start } = await inside(t, server, session)
      const alone = await p95(server, neighbour)
      await firstLine(start([...pythonArgv('greedy.py'), word, facts.account.home]))
      const beside = await p95(server, neighbour)
      ratios.push(beside / alone)
      const startedAt = performance.now()
      t.equal((await endSession(server, session.id)).status, 200)
      t.comment(`${what}: p95 of a push ${beside.toFixed(1)} ms beside it, ${alone.toFixed(1)} ms alone; it ended in ${Math.round(performance.now() - startedAt)} ms`)
    }
    t.ok(Math.min(...ratios) <= AT_MOST, `one that takes all of ${what}: a neighbour's p95 stays within ${AT_MOST}×`)
    tally(t, 'faults', ratios.length)
  }
  await endSession(server, neighbour.id)
  await assertEndsClean(t, server)
})
