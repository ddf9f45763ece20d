import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { claimInstance, ClaimRefused, type Claim } from '#system/instance/claims.ts'
import { SPAN } from '#support/servers/span.ts'

const FIRST_UID = 3_900_000_000 + SPAN * 10_000

/** A claim beside all that servers on this machine have. */
function claim (name: string, overrides: Partial<Claim> = {}): Claim {
  const number = name.charCodeAt(0) - 97
  return {
    instance: `ex10claim${SPAN}${name}`,
    dataDir: `/nonexistent/${SPAN}/${name}`,
    uidMin: FIRST_UID + number * 100,
    uidMax: FIRST_UID + number * 100 + 99,
    ports: [[number * 10 + 1 + SPAN * 100, number * 10 + 5 + SPAN * 100]],
    ...overrides
  }
}

/** Another process that holds a claim until it is ended. */
async function holder (t: Test, wanted: Claim) {
  const module = fileURLToPath(new URL('../../../src/system/instance/claims.ts', import.meta.url))
  const program = `const { claimInstance } = await import(${JSON.stringify(module)}); claimInstance(JSON.parse(process.argv[1])); console.log('held'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, JSON.stringify(wanted)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  await once(child.stdout, 'data')
  return child
}

t.teardown(() => {
  const database = new DatabaseSync('/run/ex10/instances.db')
  database.prepare('DELETE FROM claims WHERE instance LIKE ?').run(`ex10claim${SPAN}%`)
  database.close()
})

t.test('servers that share nothing stand side by side', async t => {
  const held = [claim('a'), claim('b'), claim('c')].map(claimInstance)
  for (const { release } of held) release()
  t.pass('all three were let in')
})

t.test('a server that wants what another has is refused, in one line that names the setting', async t => {
  const first = claimInstance(claim('a'))
  const [from, to] = claim('a').ports[0]!
  const table: [string, Partial<Claim>, RegExp][] = [
    ['the data folder', { dataDir: claim('a').dataDir }, /EX10_DATA_DIR/],
    ['all uids', { uidMin: claim('a').uidMin, uidMax: claim('a').uidMax }, /EX10_UID_MIN and EX10_UID_MAX/],
    ['one uid at the end', { uidMin: claim('a').uidMax, uidMax: claim('a').uidMax + 1 }, /EX10_UID_MIN/],
    ['uids around its own', { uidMin: claim('a').uidMin - 10, uidMax: claim('a').uidMax + 10 }, /EX10_UID_MIN/],
    ['a port', { ports: [[60_000, 60_001], [to, to]] }, /EX10_PORT_BASE/],
    ['ports around its own', { ports: [[from - 1, to + 1]] }, /EX10_PORT_BASE/]
  ]
  for (const [what, overrides, message] of table) {
    try {
      claimInstance(claim('b', overrides))
      t.fail(`${what} was given twice`)
    } catch (error) {
      t.ok(error instanceof ClaimRefused, what)
      t.match((error as Error).message, message)
      t.match((error as Error).message, `instance ${claim('a').instance} (pid ${process.pid})`)
      t.notMatch((error as Error).message, '\n')
    }
  }
  t.throws(() => claimInstance(claim('a')), /is already running/, 'nor does the same instance run twice')
  claimInstance(claim('b')).release()
  first.release()
  claimInstance(claim('b', { dataDir: claim('a').dataDir })).release()
  t.pass('once it was released, its folder is free')
})

t.test('what a killed server left stays claimed, and only the same instance takes it over', async t => {
  const killed = await holder(t, claim('a'))
  t.throws(() => claimInstance(claim('a')), /is already running/)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  t.throws(() => claimInstance(claim('b', { dataDir: claim('a').dataDir })), /not running: start it once to clean up/)
  claimInstance(claim('a')).release()
  claimInstance(claim('b', { dataDir: claim('a').dataDir })).release()
  t.pass('then it is free')
})

t.test('a later process with the killed server\'s pid is not taken for it', async t => {
  claimInstance(claim('a'))
  const database = new DatabaseSync('/run/ex10/instances.db')
  database.prepare('UPDATE claims SET start_time = start_time - 1 WHERE instance = ?').run(claim('a').instance)
  database.close()
  claimInstance(claim('a')).release()
  t.pass('taken over')
})
