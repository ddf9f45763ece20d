import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t from 'tap'
import type { ProgramName } from '#domain/programs/programs.ts'
import { readLog, startService } from '#system/sandbox/services.ts'
import { firstLine, inside, pythonArgv, type Inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually, type Server } from '#support/servers/server.ts'

type Attempt = ['bind', string, number] | ['socket', number, number, number] | ['abstract', string] | ['call', number, ...number[]]

const STREAM = 1
const RAW = 3
const ARM = process.arch === 'arm64'
const FAMILIES: Record<string, Attempt> = {
  'AF_PACKET, raw frames': ['socket', 17, RAW, 0],
  'AF_VSOCK, the hypervisor': ['socket', 40, STREAM, 0],
  'AF_ALG, the kernel\'s ciphers': ['socket', 38, 5, 0],
  AF_TIPC: ['socket', 30, STREAM, 0],
  'AF_PACKET by its old name': ['socket', 2, 10, 0]
}
const PROTOCOLS: Record<string, Attempt> = {
  'multipath TCP, which Landlock does not know': ['socket', 2, STREAM, 262],
  'netlink of the firewall': ['socket', 16, RAW, 12]
}
const CALLS: Record<string, Attempt> = {
  bpf: ['call', ARM ? 280 : 321, 99, 0, 0],
  perf_event_open: ['call', ARM ? 241 : 298, 0, 0, 0, 0, 0],
  userfaultfd: ['call', ARM ? 282 : 323, 1],
  io_uring_setup: ['call', 425, 1, 0],
  add_key: ['call', ARM ? 217 : 248, 0, 0, 0, 0, 0],
  fsopen: ['call', 430, 0, 0],
  open_by_handle_at: ['call', ARM ? 265 : 304, -1, 0, 0]
}
const NEEDED: Record<string, Attempt> = {
  'local sockets': ['socket', 1, STREAM, 0],
  TCP: ['socket', 2, STREAM, 0],
  'TCP, IPv6': ['socket', 10, STREAM, 6],
  UDP: ['socket', 2, 2, 0],
  'netlink of routes': ['socket', 16, RAW, 0],
  'netlink of devices': ['socket', 16, RAW, 15]
}

/** What a program of the session gets, that its own init started, as all its services are. */
async function asService (session: Inside, probe: string, attempts: Attempt[]): Promise<string[]> {
  const { home } = session.facts.account
  const [, , , , source = '', ...args] = pythonArgv('reach.py', attempts, true)
  const name = probe as ProgramName // for s6 it is a service as any other
  await session.run(['sh', '-c', 'cat >"$0"', `${home}/reach.py`], source)
  await startService(session.dir, session.facts.account, { name, argv: ['/usr/bin/python3', '-I', '-S', `${home}/reach.py`, ...args] }, AbortSignal.timeout(20_000))
  const line = await eventually('what it got', async () => (await readLog(session.dir, name, 1))[0])
  return JSON.parse(line.slice(line.indexOf('['))) // after the time
}

/** The same of a program that is not hardened, or that was brought in later. */
const asSoft = async (session: Inside, attempts: Attempt[]) => JSON.parse(await firstLine(session.startSoft(pythonArgv('reach.py', attempts, false)))) as string[]
const asEntered = (session: Inside, attempts: Attempt[]): Promise<string[]> => session.python('reach.py', attempts, false)
const all = (attempts: object, answer: string) => Object.keys(attempts).map(() => answer)

const isolationOf = async (server: Server) => (await (await fetch(`${server.url}/health`)).json() as { isolation: { landlock: string, seccomp: string } }).isolation

t.test('what the kernel can refuse to a session, and no program of one needs, is refused', { timeout: 280_000 }, async t => {
  const server = await serve(t)
  const { landlock, seccomp } = await isolationOf(server)
  const a = await inside(t, server, await createSession(server))
  const needed = Object.values(NEEDED)

  await t.test('socket families and system calls', { skip: seccomp === 'none' && 'this kernel has no seccomp filters' }, async t => {
    const refused = { ...FAMILIES, ...PROTOCOLS, ...CALLS }
    const answers = [...all(FAMILIES, 'EAFNOSUPPORT'), ...all(PROTOCOLS, 'EPROTONOSUPPORT'), ...all(CALLS, 'EPERM')]
    const soft = await asSoft(a, Object.values(refused))
    for (const [index, name] of Object.keys(refused).entries()) t.comment(`${name}: without the filter ${soft[index]}, with it ${answers[index]}`)
    const telling = soft.filter((answer, index) => answer !== answers[index]).length
    t.ok(telling >= 6, `control: ${telling} of ${answers.length} are another answer without the filter`)
    t.strictSame(await asService(a, 'calls', Object.values(refused)), answers, 'to what the sandbox runs')
    t.strictSame(await asEntered(a, Object.values(refused)), answers, 'to what enters it later')
    t.strictSame(await asService(a, 'needed', needed), all(NEEDED, 'done'), 'what programs need, they have')
  })

  await t.test('every process in the sandbox, root\'s too, has the filter, and Chromium still adds its own', { skip: seccomp === 'none' && 'this kernel has no seccomp filters' }, async t => {
    const statuses = processesIn(a).map(pid => read(`/proc/${pid}/status`)).filter(Boolean)
    const filters = (status: string) => Number(/^Seccomp_filters:\t(\d+)/m.exec(status)?.[1])
    t.ok(statuses.length > 10, `control: ${statuses.length} processes`)
    t.strictSame(statuses.filter(status => !/^State:\t[ZX]/m.test(status) && filters(status) < 1), [])
    t.ok(statuses.some(status => /^Name:\tchromium/m.test(status) && filters(status) >= 2), 'a renderer has two')
  })

  await t.test('ports', { skip: landlock === 'none' && 'this kernel\'s Landlock does not know ports' }, async t => {
    const { slot } = a.facts
    const free: Attempt[] = ['127.0.0.1', '127.0.0.2', '::1', '0.0.0.0'].flatMap(address => [1, 2].map(next => ['bind', address, slot.displayPort + next] as Attempt))
    t.strictSame(await asSoft(a, free.slice(0, 4)), ['done', 'done', 'done', 'done'], 'control: they are free')
    t.strictSame(await asService(a, 'squatter', [...free, ['bind', '127.0.0.1', 4444]]), [...free, 1].map(() => 'EACCES'), 'of other slots, and all others, are refused')
    t.strictSame(await asEntered(a, free), free.map(() => 'EACCES'), 'to what enters, too')
    t.strictSame(await asService(a, 'owner', [['bind', '127.0.0.2', slot.displayPort], ['bind', '127.0.0.2', slot.devServerPort], ['bind', '127.0.0.2', slot.devToolsPort], ['bind', '127.0.0.1', 0]]),
      ['done', 'done', 'done', 'done'], 'its own three and one that the kernel chooses are had')
    const b = await inside(t, server, await createSession(server))
    t.equal(b.facts.slot.index, slot.index + 1, 'and the next session has the next slot')
  })

  await t.test('abstract sockets of the machine and of other sessions', { skip: landlock !== 'bind+abstract' && 'this kernel\'s Landlock does not know abstract sockets' }, async t => {
    const name = `ex10-test-${process.pid}`
    const listener = createServer(socket => socket.destroy())
    await once(listener.listen(`\0${name}`), 'listening')
    t.teardown(() => listener.close())
    t.strictSame(await asSoft(a, [['abstract', name]]), ['done'], 'control: it is there')
    t.strictSame(await asService(a, 'caller', [['abstract', name]]), ['EPERM'])
    t.strictSame(await asEntered(a, [['abstract', name]]), ['EPERM'])
  })
})

function read (path: string): string {
  try { return readFileSync(path, 'utf8') } catch { return '' } // it ended
}

/** The init and all below it, in whatever namespace. */
function processesIn ({ init }: Inside): string[] {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && isBelow(pid, init))
}

function isBelow (pid: string, init: number): boolean {
  for (let at = pid; at && at !== '0'; at = /^PPid:\t(\d+)/m.exec(read(`/proc/${at}/status`))?.[1] ?? '') if (Number(at) === init) return true
  return false
}
