import { once } from 'node:events'
import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { auditFromServer, CLEAN } from '#support/servers/audit.ts'
import { atOnce } from '#support/servers/at-once.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { INSPECTED } from '#support/servers/inspector.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { listMachine } from '#support/servers/machine.ts'
import { heldAtRest, memoryOf } from '#support/servers/server-process.ts'
import { createSession, endSession, eventually, pushCode } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const CYCLES = IS_LONG ? 1000 : 40
/** Before the memory is first looked at: until then it grows with compiled code and full caches. */
const WARM_UP = IS_LONG ? 300 : 20
const SIDE_BY_SIDE = 4
/** What is not of the last cycles: a heap that has grown to its working size, and is not given back. */
const GROWTH = 1.1

t.test('a server that has made and ended any number of sessions holds no more than before the first', async t => {
  const server = await serve(t, { ...lightDisplay(), ...INSPECTED, EX10_LOG_LEVEL: 'warn' })

  async function cycle (): Promise<void> {
    const { id } = await createSession(server)
    const pushed = await pushCode(server, { sessionId: id, filePath: 'content-script.js', content: '' })
    const ended = await endSession(server, id)
    if (pushed.status !== 200 || ended.status !== 200) throw new Error(`pushed ${pushed.status}, ended ${ended.status}`)
  }

  /** A client that goes away while it is decided whether it gets a session. */
  async function leave (): Promise<void> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /createSession HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n', () => socket.destroy())
    await once(socket, 'close')
  }

  await atOnce(SIDE_BY_SIDE, SIDE_BY_SIDE, cycle) // what is opened once, at first use, and stays
  const held = await heldAtRest(server)
  const machine = await listMachine(server)
  await atOnce(SIDE_BY_SIDE, WARM_UP, cycle)
  const memory = await memoryOf(server)
  const startedAt = performance.now()
  await atOnce(SIDE_BY_SIDE, CYCLES - WARM_UP, cycle)
  t.comment(`${Math.round((performance.now() - startedAt) / (CYCLES - WARM_UP))} ms a cycle, ${SIDE_BY_SIDE} side by side`)

  await atOnce(SIDE_BY_SIDE, WARM_UP, leave)
  await eventually('an end of what they have begun', async () => isDeepStrictEqual(await listMachine(server), machine), 60_000)
  t.strictSame(await auditFromServer(server), CLEAN)
  t.strictSame(await listMachine(server), machine, 'accounts, homes, cgroups, loop devices, firewall elements, processes: none more, none less')
  t.strictSame(await heldAtRest(server), held, 'its descriptors, threads, children, timers and sockets are as before')
  const after = await memoryOf(server)
  t.comment(`memory after a collection: ${memory} KiB after ${WARM_UP} cycles, ${after} KiB after ${CYCLES}`)
  t.ok(after < memory * GROWTH, 'its memory does not grow with the sessions that it has had')
  await assertEndsClean(t, server)
  tally(t, 'create/delete cycles', CYCLES)
})
