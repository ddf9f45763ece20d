import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { auditFromServer, auditFromTerminal, CLEAN } from '#support/servers/audit.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { floodingDisplay } from '#support/display/flooding-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, type CreatedSession, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'
import { costOf, processesIn } from '#support/faults/victims.ts'

const SECONDS = IS_LONG ? 30 : 3
const MIB = 1024 * 1024
const LINE_BYTES = 8192
/** Of one service: the current file and the rotated ones, each a little longer than it is to be. */
const LOGS_MIB = 5

/** What is printed without an end, and as fast as it is read. */
const FLOODS = {
  'short lines': 'exec yes "a line of a program that says too much"',
  'lines without an end': 'exec cat /dev/zero',
  'bytes that are no text, and control characters': 'exec perl -e \'$| = 1; my $piece = ("\\xff" x 8190 . "\\x1b[31m\\x9b\\n") x 16; print $piece while 1\''
}

for (const [what, flood] of Object.entries(FLOODS)) {
  t.test(`a program that floods its log with ${what} takes neither the disk nor the server`, { timeout: 200_000 }, async t => {
    const server = await serve(t, floodingDisplay(t, flood))
    const quiet = await createSession(server)
    const loud = await createSession(server)
    const { dir, groups } = await inside(t, server, loud)
    await watch(t, server, quiet, loud, dir) // the heap takes its size
    const before = costOf(server.child.pid!)
    const written = writtenBy(groups)
    const startedAt = performance.now()
    const slowest = await watch(t, server, quiet, loud, dir)
    const seconds = (performance.now() - startedAt) / 1000
    const after = costOf(server.child.pid!)
    const cpu = (after.cpu - before.cpu) / seconds
    t.comment(`${((writtenBy(groups) - written) / MIB / seconds).toFixed(0)} MiB/s printed; the server: ${Math.round(cpu * 100)} % of a core, ${Math.round(after.rss - before.rss)} MiB more; its slowest answer ${Math.round(slowest)} ms`)
    t.ok(after.rss - before.rss < 100, 'the server\'s memory does not grow with it')
    t.ok(cpu < 0.6, 'nor does it read what nobody asks for')
    for (const session of [loud, quiet]) t.equal((await endSession(server, session.id)).status, 200)
    tally(t, 'faults', 1)
    t.strictSame(await auditFromServer(server), CLEAN)
    t.strictSame(await auditFromTerminal(server), CLEAN)
    await assertEndsClean(t, server)
  })
}

/** Looks for a while at what the flood could spoil; returns the slowest answer of the server, ms. */
async function watch (t: Test, server: Server, quiet: CreatedSession, loud: CreatedSession, dir: string): Promise<number> {
  const end = performance.now() + SECONDS * 1000
  let slowest = 0
  let mostMib = 0
  let longest = 0
  let lines: string[] = []
  while (performance.now() < end) {
    mostMib = Math.max(mostMib, sizeOf(`${dir}/logs/dev-server`))
    lines = await logOf(server, loud)
    longest = Math.max(longest, ...lines.map(line => Buffer.byteLength(line)))
    const askedAt = performance.now()
    t.equal((await fetch(`${server.url}/sessions/${quiet.id}`)).status, 200)
    slowest = Math.max(slowest, performance.now() - askedAt)
    await delay(250)
  }
  t.ok(lines.length > 1, 'control: it is in the log')
  t.ok(longest > 0 && longest <= LINE_BYTES, `no line of the answer is longer than 8 KiB: ${longest}`)
  // eslint-disable-next-line no-control-regex
  t.notOk(lines.some(line => /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(line)), 'nor has control characters')
  t.ok(mostMib <= LOGS_MIB, `the log takes ${mostMib.toFixed(1)} MiB of the disk`)
  return slowest
}

async function logOf (server: Server, { id }: CreatedSession): Promise<string[]> {
  const answer = await fetch(`${server.url}/sessions/${id}/logs?source=dev-server&tail=5000`)
  return (await answer.json() as { lines: string[] }).lines
}

/** Bytes that the session's own programs have written. */
function writtenBy (groups: string[]): number {
  const own = processesIn(groups).filter(({ isRoot }) => !isRoot)
  return own.reduce((sum, { pid }) => sum + Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]), 0)
}

/** MiB of the disk that a folder's files take; they may be renamed and removed meanwhile. */
function sizeOf (folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + (lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0) / MIB
}
