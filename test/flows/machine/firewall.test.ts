import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { enterOwnNetwork } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { lockAccounts, mountOwnEtc } = await import('#support/faults/account-lock.ts')
const { assertAsBefore, assertEndsClean, beginCreation, listSessions, refusalOf, serve } = await import('#support/servers/creation.ts')
const { lightDisplay } = await import('#support/display/light-display.ts')
const { listMachine } = await import('#support/servers/machine.ts')
const { gateNft } = await import('#support/faults/nft-gate.ts')
const { firstLine, inside, pythonArgv } = await import('#support/sandbox.ts')
const { createSession, endSession, eventually, placeOf, testEnv } = await import('#support/servers/server.ts')
const { tally } = await import('#support/servers/tally.ts')

type Server = Awaited<ReturnType<typeof serve>>

const RESTORED_MS = 5000
const isReady = async (server: Server) => (await fetch(`${server.url}/ready`)).status === 200
const count = (server: Server, words: string) => server.output().split(`"msg":"${words}"`).length - 1

t.test('while its rules are damaged the server makes no session, and puts them in force again as soon as it can', async t => {
  const gate = gateNft(t)
  const server = await serve(t, lightDisplay())
  const { instance: table } = server
  const session = await createSession(server)
  const { facts } = await inside(t, server, session)
  const own = Object.values(facts.slot).slice(1).map(port => `${facts.account.uid} . ${port}`)
  const elements = () => [...gate.nft('-n', 'list', 'set', 'inet', table, 'own').matchAll(/\d+ \. \d+/g)].map(([element]) => element)
  /** The table as it is shown, or nothing while it is missing. */
  const shown = () => { try { return gate.nft('-s', '-n', '-a', 'list', 'table', 'inet', table) } catch { return '' } }
  const withoutHandles = () => shown().replaceAll(/ # handle \d+/g, '')
  const atFirst = shown()
  const before = withoutHandles()
  t.strictSame(elements().sort(), own.sort(), 'the session has its ports')
  // the browser of the session that lives starts and ends processes as it likes; all of them are in its cgroup
  const made = (lines: string[]) => lines.filter(line => !/^(table|process|listener)/.test(line))
  const machine = made(await listMachine(server))

  const other = await createSession(server)
  t.equal((await endSession(server, other.id)).status, 200)
  await delay(2500) // longer than a round of the watch
  t.equal(shown(), atFirst, 'sessions come and go, and the rules are not loaded again')
  t.equal(count(server, 'firewall lost'), 0, 'nor is there an alarm')

  const damages: [string, string[]][] = [
    ['a rule added', ['insert', 'rule', 'inet', table, 'session', 'accept']],
    ['an address let through', ['add', 'element', 'inet', table, 'res4', '{ 198.51.100.1 }']],
    ['a chain flushed', ['flush', 'chain', 'inet', table, 'output']],
    ['the table deleted', ['delete', 'table', 'inet', table]],
    ['a port of the session taken away', ['delete', 'element', 'inet', table, 'own', `{ ${own[0]} }`]],
    ['a port of an ended session left', ['add', 'element', 'inet', table, 'own', `{ ${facts.account.uid + 7} . ${facts.slot.displayPort} }`]]
  ]
  for (const [what, words] of damages.slice(-3)) {
    const alarms = count(server, 'firewall lost')
    const restorations = count(server, 'firewall restored')
    gate.break('changing')
    gate.nft(...words)
    const answer = await fetch(`${server.url}/createSession`)
    t.equal(answer.status, 503, `${what}: nothing new starts`)
    t.match(await answer.json(), { success: false, code: 'EX10_FIREWALL', message: String, statusCode: 503 })
    t.notOk(await isReady(server), `${what}: nor is the server ready`)
    t.strictSame(made(await listMachine(server)), machine, `${what}: nothing was made`)
    await eventually('an alarm', () => count(server, 'firewall lost') > alarms)
    gate.break('nothing')
    await eventually(`${what}: rules in force`, () => isReady(server), RESTORED_MS)
    t.equal(withoutHandles(), before, `${what}: all is as before, the session's ports too`)
    await eventually('the end of the alarm', () => count(server, 'firewall restored') > restorations)
  }

  for (const [what, words] of damages.slice(0, -2)) {
    const restorations = count(server, 'firewall restored')
    gate.nft(...words)
    await eventually(`${what}: rules restored`, () => withoutHandles() === before, RESTORED_MS)
    t.pass(`${what}: restored within 5 s`)
    await eventually('the end of the alarm', () => count(server, 'firewall restored') > restorations)
  }

  gate.nft('delete', 'table', 'inet', table)
  t.equal((await endSession(server, session.id)).status, 200, 'a session can be ended without its rules')
  await eventually('rules in force', () => isReady(server), RESTORED_MS)
  t.strictSame(elements(), [], 'and is not among what is restored')
  await assertEndsClean(t, server)
  tally(t, 'faults', damages.length + 2)
})

t.test('whoever asks whether the server is ready, however often, keeps no session waiting for the rules', async t => {
  const gate = gateNft(t)
  const server = await serve(t, lightDisplay())
  const before = gate.asked('list table')
  const answers = await Promise.all(Array.from({ length: 300 }, () => fetch(`${server.url}/ready`)))
  t.ok(answers.every(({ status }) => status === 200))
  const asked = gate.asked('list table') - before
  t.ok(asked > 0 && asked < 60, `the rules were read ${asked} times for 300 who asked`)
  await assertEndsClean(t, server)
})

for (const backend of ['nftables', 'iptables']) {
  t.test(`${backend}: what a session reached while rules were damaged, it reaches no longer when they are restored, on no connection`, async t => {
    const gate = gateNft(t)
    const server = await serve(t, { ...lightDisplay(), EX10_FIREWALL: backend })
    const session = await createSession(server)
    let received = 0
    const forbidden = createServer(socket => socket.on('error', () => {}).on('data', chunk => { received += chunk.length }).unref()).listen(0, '127.0.0.1').unref()
    await once(forbidden, 'listening')
    const { port } = forbidden.address() as AddressInfo
    const { start } = await inside(t, server, session)
    const holder = start([...pythonArgv('hold-on.py'), String(port)])
    t.equal(await firstLine(holder), 'refused', 'control: with all rules')
    t.equal(received, 0)
    if (backend === 'nftables') gate.nft('insert', 'rule', 'inet', server.instance, 'session', 'accept')
    else execFileSync('iptables-legacy', ['-I', `${server.instance}-session`, '1', '-j', 'RETURN'])
    t.equal(await firstLine(holder), 'connected', 'control: without')
    await eventually('something that is received', () => received > 0)
    await eventually('rules restored', () => count(server, 'firewall restored') > 0, RESTORED_MS)
    const before = received
    await delay(1000)
    t.equal(received, before, 'nothing comes through any more')
    holder.kill('SIGKILL')
    forbidden.close()
    t.equal((await endSession(server, session.id)).status, 200)
    await assertEndsClean(t, server)
    tally(t, 'faults', 1)
  })
}

t.test('without a working nft the server does not start: one clear line, and nothing is left', async t => {
  const gate = gateNft(t)
  const ways = { all: /nft is broken/, changing: /nft is broken/, running: /nft: Permission denied/ }
  for (const broken of ['all', 'changing', 'running'] as const) {
    gate.break(broken)
    const env = testEnv()
    const refusal = (await refusalOf(env)).trim().split('\n')
    gate.break('nothing')
    t.equal(refusal.length, 1, 'one line')
    t.match(refusal[0], /^the server ended with 1: ex10: EX10_FIREWALL=auto cannot be used: .*; without rules no session may start: install nftables/)
    t.match(refusal[0], ways[broken])
    t.strictSame(await listMachine(placeOf(env)), [])
    rmSync(env.EX10_DATA_DIR!, { recursive: true })
  }
  tally(t, 'faults', 3)
})

t.test('when nft fails after a session was admitted, the creation ends with EX10_FIREWALL and nothing is left', async t => {
  mountOwnEtc(t)
  const gate = gateNft(t)
  const server = await serve(t, lightDisplay())
  const before = await listMachine(server)
  for (const broken of ['adding', 'all', 'running'] as const) {
    const unlock = await lockAccounts(t)
    const creation = await beginCreation(server) // admitted, as its answer has begun, and waits for the lock
    gate.break(broken)
    unlock()
    t.match((await creation.end()).at(-1), { status: 'error', data: { code: 'EX10_FIREWALL' } })
    t.strictSame(await listSessions(server), [])
    gate.break('nothing')
    await assertAsBefore(t, server, before, broken)
  }
  await eventually('rules in force', () => isReady(server), RESTORED_MS)
  await assertEndsClean(t, server)
  tally(t, 'faults', 3)
})

t.test('without nft, the server runs with iptables, and restores its rules there, too', async t => {
  const gate = gateNft(t)
  const server = await serve(t, { ...lightDisplay(), EX10_FIREWALL: 'iptables' })
  gate.break('all')
  const saved = () => ['iptables-legacy-save', 'ip6tables-legacy-save'].map(save => execFileSync(save, { encoding: 'utf8' }).split('\n').filter(line => line.startsWith('-A')))
  const { id } = await createSession(server)
  const before = saved()
  t.equal(before.flat().filter(line => line.includes('--sports')).length, 2, 'the session has its ports in both families')
  for (const [tool, words] of [['iptables-legacy', '-D OUTPUT 1'], ['ip6tables-legacy', `-F ${server.instance}-serve`]] as const) {
    execFileSync(tool, words.split(' '))
    t.notSame(saved(), before, `${tool} ${words}`)
    const alarms = count(server, 'firewall restored')
    await eventually('rules restored', () => isDeepStrictEqual(saved(), before), RESTORED_MS)
    await eventually('the end of the alarm', () => count(server, 'firewall restored') > alarms)
  }
  t.equal((await endSession(server, id)).status, 200)
  gate.break('nothing')
  await assertEndsClean(t, server)
  tally(t, 'faults', 2)
})
