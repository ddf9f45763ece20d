import { readFileSync, readlinkSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { processesOf } from '#system/kernel/processes.ts'
import { enterSandbox, type EnterOptions } from '#system/sandbox/enter.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually } from '#support/servers/server.ts'

const NAMESPACES = ['mnt', 'pid', 'ipc', 'uts']
const ABOUT_ITSELF = `
import json, os, sys
status = open('/proc/self/status').read()
print(json.dumps({
  'uid': os.getuid(), 'groups': os.getgroups(), 'folder': os.getcwd(), 'names': sorted(os.environ), 'given': os.environ['GIVEN'],
  'namespaces': [os.readlink('/proc/self/ns/' + name) for name in ${JSON.stringify(NAMESPACES)}],
  'noNewPrivs': 'NoNewPrivs:\\t1' in status, 'filtered': 'Seccomp:\\t2' in status, 'input': sys.stdin.read()
}))
sys.exit(7)`

t.test('A program that enters a sandbox', async t => {
  const server = await serve(t, lightDisplay())
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const { account } = own.facts
  const enter = (argv: string[], options?: EnterOptions) => enterSandbox(own.dir, account, argv, options)
  /** How many of the session's processes sleep for so long; a number that no other has. */
  const sleepers = async (seconds: number) => (await processesOf(account.uid)).filter(pid => commandOf(pid) === `sleep ${seconds}`).length

  await t.test('is its user\'s, in its namespaces, hardened, with the folder and the variables that it is given, and pipes', async t => {
    const program = await enter(['python3', '-I', '-S', '-c', ABOUT_ITSELF], { cwd: account.home, env: { GIVEN: 'a b' } })
    program.stdin.end('what it reads')
    const { names, filtered, ...about } = JSON.parse(await text(program.stdout))
    t.strictSame(about, {
      uid: account.uid,
      groups: [],
      folder: account.home,
      given: 'a b',
      namespaces: NAMESPACES.map(name => readlinkSync(`/proc/${own.init}/ns/${name}`)),
      noNewPrivs: true,
      input: 'what it reads'
    })
    t.strictSame(names.filter((name: string) => !name.startsWith('LC_')), ['GIVEN', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'TMPDIR', 'USER', 'XDG_RUNTIME_DIR'], 'and no others')
    t.equal(filtered, (await (await fetch(`${server.url}/health`)).json() as { isolation: { seccomp: string } }).isolation.seccomp === 'filter')
    t.strictSame(await program.ended, { exitCode: 7, signal: null }, 'its exit is told')
    t.equal(program.wasKilled, false)
  })

  await t.test('is in its cgroups, and so within its limits', { skip: own.groups.length === 0 && 'no cgroup limits on this host' }, async t => {
    const program = await enter(['sleep', '60711'])
    const found = await eventually('the program', async () => (await processesOf(account.uid)).find(pid => commandOf(pid) === 'sleep 60711'))
    for (const group of own.groups) t.ok(readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').includes(String(found)), group)
    await program.kill()
    t.strictSame(await program.ended, { exitCode: null, signal: 'SIGKILL' })
  })

  await t.test('is killed with all that it has started when its time is over, also when it was stopped', async t => {
    const startedAt = performance.now()
    const program = await enter(['sh', '-c', 'sleep 60712 & sleep 60712 & kill -STOP $$'], { timeoutMs: 1000 })
    await eventually('what it starts', async () => await sleepers(60712) === 2)
    t.strictSame(await program.ended, { exitCode: null, signal: 'SIGKILL' })
    t.ok(performance.now() - startedAt >= 990, 'not before')
    await eventually('an end of all of it', async () => await sleepers(60712) === 0)
  })

  await t.test('may end by itself when its signal aborts, if it is given the time', async t => {
    const leaving = new AbortController()
    const options = { signal: leaving.signal, graceMs: 5000, cwd: account.home }
    const [tidy, deaf] = await Promise.all([enter(['sh', '-c', 'echo ready; cat; echo tidy >tidy'], options), enter(['sh', '-c', 'echo ready; exec sleep 60713'], { ...options, graceMs: 100 })])
    for (const { stdout } of [tidy, deaf]) await new Promise(resolve => stdout.once('data', resolve))
    leaving.abort(new Error('nobody waits for it'))
    t.match(await tidy.ended, { exitCode: 0 })
    t.equal((await own.run(['cat', `${account.home}/tidy`])).stdout, 'tidy\n', 'its input ended, so it did what it does then')
    t.strictSame(await deaf.ended, { exitCode: null, signal: 'SIGKILL' }, 'what does not is killed')
    t.strictSame([tidy.wasKilled, deaf.wasKilled], [false, true])
    t.match(tidy.stdout.errored, { message: 'nobody waits for it' }, 'and who reads hears why')
    await t.rejects(enter(['true'], options), { message: 'nobody waits for it' }, 'another one is not started')
  })

  await t.test('finds no way into one that has ended', async t => {
    const last = await enter(['sleep', '60714'])
    t.equal((await endSession(server, session.id)).status, 200)
    t.match(await last.ended, {}, 'the last one has ended with it')
    await t.rejects(enter(['true']), /the sandbox is gone/)
  })
})

function commandOf (pid: number): string {
  try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() } catch { return '' } // it ended
}
