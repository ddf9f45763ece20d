import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { isAlive, kill, parseStat, processesOf, until } from '#system/kernel/processes.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'
import { isPortFree } from '#system/kernel/tcp.ts'
import { SPAN } from '#support/servers/span.ts'

const UID = 3_950_000_000 + SPAN

async function sleeper (t: Test, ...prefix: string[]) {
  const [command = '', ...args] = [...prefix, 'sleep', '1000']
  const child = spawn(command, args, { stdio: 'ignore' })
  t.teardown(() => { child.kill('SIGKILL') })
  await once(child, 'spawn')
  return { child, id: parseStat(readFileSync(`/proc/${child.pid}/stat`, 'utf8')) }
}

t.test('a process\'s line of /proc is understood, whatever its program calls itself', async t => {
  const rest = 'S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0'
  for (const name of ['sh', 'a b', 'x) S 1 (y', ') Z 1 1', '']) {
    t.strictSame(parseStat(`42 (${name}) ${rest}`), { pid: 42, state: 'S', startTime: 987654 }, name)
  }
})

t.test('a process is known by its start, so that a later one with its pid is left alone', async t => {
  const { child, id } = await sleeper(t)
  t.ok(await isAlive(id))
  const earlier = { ...id, startTime: id.startTime - 1 }
  t.notOk(await isAlive(earlier))
  const exit = once(child, 'exit')
  kill(id.pid)
  t.strictSame(await exit, [null, 'SIGKILL'])
  t.notOk(await isAlive(id))
  kill(id.pid) // there is no such process any more: nothing to do
})

t.test('the processes of a uid are found, and no others', async t => {
  t.strictSame(await processesOf(UID), [])
  const { child } = await sleeper(t, 'setpriv', `--reuid=${UID}`, '--clear-groups', '--')
  await until(async () => (await processesOf(UID)).includes(child.pid!), AbortSignal.timeout(10_000))
  t.strictSame(await processesOf(UID), [child.pid])
  child.kill('SIGKILL')
  await until(async () => (await processesOf(UID)).length === 0, AbortSignal.timeout(10_000))
})

t.test('waiting ends with the signal\'s own reason', async t => {
  await t.rejects(until(() => false, AbortSignal.abort(new Error('enough'))), /enough/)
  let asked = 0
  await until(() => ++asked === 3, AbortSignal.timeout(5000))
  t.equal(asked, 3)
})

t.test('a command\'s output is returned, its failure told, and it sees nothing of the server\'s environment', async t => {
  t.equal(await run(['cat'], { input: 'ünï\n' }), 'ünï\n')
  process.env.EX10_TEST_SECRET = 'secret'
  t.teardown(() => { delete process.env.EX10_TEST_SECRET })
  t.notMatch(await run(['env']), 'EX10_TEST_SECRET')
  t.equal(await run(['pwd']), '/\n')
  await t.rejects(run(['sh', '-c', 'echo why >&2; exit 3']), { name: 'CommandFailed', exitCode: 3, stderr: 'why\n', message: /sh exited with 3: why/ })
  await t.rejects(run(['/nonexistent']), CommandFailed)
  await t.rejects(run(['sleep', '1000'], { timeoutMs: 50 }), { name: 'TimeoutError' }, 'one that takes too long')
  await t.rejects(run(['sleep', '1000'], { signal: AbortSignal.any([AbortSignal.timeout(50)]) }), { name: 'TimeoutError' }, 'one that nobody waits for ends with the reason')
  await t.rejects(run(['yes']), CommandFailed, 'one that prints for ever')
  t.equal(await run(['echo', '$HOME; *']), '$HOME; *\n', 'no shell reads its words')
})

t.test('a port is free when nobody listens on it', async t => {
  const server = createServer()
  t.teardown(() => { server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  t.equal(await isPortFree(port), false)
  server.close()
  await once(server, 'close')
  t.equal(await isPortFree(port), true)
  t.equal(await isPortFree(port), true, 'and asking does not take it')
})
