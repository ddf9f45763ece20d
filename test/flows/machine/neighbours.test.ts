import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Value } from '@sinclair/typebox/value'
import { Config } from '#config.ts'
import { auditFromTerminal } from '#support/servers/audit.ts'
import { beginCreation, listSessions, next, refusalOf, serve } from '#support/servers/creation.ts'
import { assertAuditsClean, assertSurvived } from '#support/servers/ending.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { listMachine } from '#support/servers/machine.ts'
import { createSession, testEnv, type Server } from '#support/servers/server.ts'
import { SPAN } from '#support/servers/span.ts'

const ANOTHER_RUN = (Number(process.env.EX10_TEST_SPAN ?? 0) + 2) % 4

/**
 * All that the server and its sessions have on the machine, down to the processes; whether one runs at the moment is
 * chance, and clocks go on.
 */
async function all (server: Server) {
  const machine = await listMachine(server)
  const sessions = (await listSessions(server)).map(session => ({ ...session, idleMs: 0, expiresAt: '' }))
  return { machine: machine.map(line => line.replace(/^(process: \d+ \S+) [RSD] /, '$1 ')), sessions }
}

t.test('two servers on one machine have nothing to do with each other, whatever becomes of one', { timeout: 200_000 }, async t => {
  const browser = heldBrowser(t)
  const [a, b] = [await serve(t, browser.settings), await serve(t, browser.settings)]
  await Promise.all([a, a, b, b].map(server => createSession(server)))
  const before = await all(b)
  const unharmed = async (when: string) => {
    t.strictSame(await all(b), before, `${when}: the other server's sessions, processes and all else are as before`)
    await assertAuditsClean(t, b, when)
  }
  await assertAuditsClean(t, a, 'side by side')
  await unharmed('side by side')

  browser.hold()
  const creation = await beginCreation(a)
  await creation.until('browser')
  await a.stop('SIGKILL')
  await creation.end().catch(() => {}) // broken off
  t.ok((await auditFromTerminal(a)).leaked.length > 0, 'control: the killed server has left something')
  await unharmed('the first was killed')

  const again = await next(t, a)
  t.equal((await listSessions(again)).length, 2, 'the first has its sessions again')
  await assertAuditsClean(t, again, 'started again')
  await unharmed('the first was started again')

  await assertSurvived(t, again, 1)
  await unharmed('the first has ended')
  await assertSurvived(t, b, 0)
})

t.test('a second server that wants what the first one has is refused, in one line that names the setting, and harms nobody', async t => {
  const first = await serve(t, lightDisplay())
  await createSession(first)
  const before = await all(first)
  const same = (...keys: string[]) => Object.fromEntries(keys.map(key => [key, first.env[key] ?? '']))
  const wanted: [string, Record<string, string>, RegExp][] = [
    ['its name', same('EX10_INSTANCE'), /is already running/],
    ['its data folder', same('EX10_DATA_DIR'), /uses the same EX10_DATA_DIR/],
    ['its uids', same('EX10_UID_MIN', 'EX10_UID_MAX'), /set EX10_UID_MIN and EX10_UID_MAX apart/],
    ['its sessions\' ports', same('EX10_PORT_BASE'), /set EX10_PORT_BASE apart/],
    ['its own port', { EX10_PORT: new URL(first.url).port }, /EX10_PORT=\d+ cannot be used: another program listens there/]
  ]
  for (const [what, overrides, message] of wanted) {
    const refusal = await refusalOf(testEnv(overrides))
    const said = refusal.trim().split('\n').filter(line => !line.includes('{"level":30'))
    t.equal(said.length, 1, `${what}: one line`)
    t.match(said[0], message)
    t.match(refusal, 'the server ended with 1')
    t.strictSame(await all(first), before, `${what}: the first one goes on as before`)
  }
  await assertSurvived(t, first, wanted.length)
})

t.test('the tests can be run beside a server that lives: neither its sessions nor anything else of it is touched', { timeout: 280_000 }, async t => {
  const server = await serve(t, lightDisplay())
  await createSession(server)
  const before = await all(server)
  const env = { PATH: `${process.cwd()}/node_modules/.bin:${process.env.PATH}`, HOME: process.env.HOME, EX10_TEST_SPAN: String(ANOTHER_RUN) }
  const child = spawn(process.execPath, ['bin/test.mjs', 'test/flows/live/light-display.test.ts'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.match(await text(child.stdout), /\n1 passed, 0 failed\n$/, 'control: it ran')
  t.strictSame(await all(server), before)
  await assertAuditsClean(t, server, 'beside the tests')

  const live = Value.Create(Config)
  t.ok(server.uids[0] - SPAN * 100_000 > live.uidMax, 'a server with the settings that it comes with has other uids')
  await assertSurvived(t, server, 1)
})
