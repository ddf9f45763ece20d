import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { enterOwnNetwork, listen, makeInternet, type Target } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { mountOwnEtc } = await import('#support/faults/account-lock.ts')
const { gateNft } = await import('#support/faults/nft-gate.ts')
const { lightDisplay } = await import('#support/display/light-display.ts')
const { assertEndsClean, next, serve } = await import('#support/servers/creation.ts')
const { inside } = await import('#support/sandbox.ts')
const { createSession, endSession, eventually } = await import('#support/servers/server.ts')
const { tally } = await import('#support/servers/tally.ts')

const FILE = '/etc/resolv.conf'
const FIRST = '203.0.113.53'
const SECOND = '198.51.100.53'
const THIRD = '2001:db8::53'
const RESOLVERS = Object.fromEntries([FIRST, SECOND, THIRD].map(address => [address, { kind: 'udp', address, port: 53 } satisfies Target]))
const textOf = (...addresses: string[]) => addresses.map(address => `nameserver ${address}\n`).join('')
const FOLLOWED_MS = 10_000

function replace (path: string, text: string): void {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

t.test('sessions ask the resolvers of now, however resolv.conf is replaced', async t => {
  mountOwnEtc(t)
  const folder = `/run/ex10-test-resolv-${process.pid}`
  mkdirSync(folder)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const target = `${folder}/resolv.conf`
  const link = () => { symlinkSync(target, `${FILE}.new`); renameSync(`${FILE}.new`, FILE) }
  const internet = await makeInternet(t, ['203.0.113.1/24', `${FIRST}/32`, `${SECOND}/32`, '2001:db8::1/64', `${THIRD}/64`])
  await listen(t, Object.values(RESOLVERS), internet.enter)
  link()

  const gate = gateNft(t)
  for (const backend of ['nftables', 'iptables']) {
    writeFileSync(target, textOf(FIRST))
    let server = await serve(t, { ...lightDisplay(), EX10_FIREWALL: backend, EX10_ON_SHUTDOWN: 'keep' })
    const count = (words: string) => server.output().split(`"msg":"${words}"`).length - 1
    const session = await createSession(server)
    const { python, run } = await inside(t, server, session)
    const reached = async () => Object.entries(await python('probe.py', RESOLVERS)).filter(([, answer]) => answer === 'reached').map(([address]) => address)
    const assertAsks = async (...addresses: string[]) => {
      await eventually(`${addresses} to be asked`, async () => String(await reached()) === String(addresses), FOLLOWED_MS)
      const { stdout } = await run(['cat', FILE])
      t.equal(stdout, textOf(...addresses), `${backend}: a live session asks ${addresses}, and no other, and reads so itself`)
    }
    await assertAsks(FIRST)
    replace(target, textOf(SECOND, THIRD))
    await assertAsks(SECOND, THIRD)
    if (backend === 'nftables') {
      writeFileSync(target, textOf(THIRD))
      await assertAsks(THIRD)
      replace(FILE, textOf(FIRST))
      await assertAsks(FIRST)

      rmSync(FILE)
      await eventually('a word of it', () => count('resolvers not read: the earlier ones hold') > 0)
      t.strictSame(await reached(), [FIRST], 'while there is no file, the earlier ones may be asked')
      gate.break('changing')
      replace(FILE, textOf(SECOND))
      await eventually('a word of it', () => count('new resolvers are not in force: the earlier ones stay') > 0)
      t.strictSame(await reached(), [FIRST], 'while the rules cannot be changed, they stay')
      gate.break('nothing')
      await assertAsks(SECOND)

      writeFileSync(target, textOf(FIRST))
      link()
      const later = await createSession(server)
      const inLater = await inside(t, server, later)
      t.equal((await inLater.run(['cat', FILE])).stdout, textOf(FIRST), 'a session that is made later reads the text of then')
      await server.stop()
      replace(target, textOf(SECOND, THIRD))
      server = await next(t, server)
      t.equal((await inLater.run(['cat', FILE])).stdout, textOf(SECOND, THIRD), 'a server that starts again tells live sessions what changed in between')
      t.equal((await endSession(server, later.id)).status, 200)
    }
    t.equal(count('firewall lost'), 0, 'none of this counts as damage')
    t.equal((await endSession(server, session.id)).status, 200)
    await assertEndsClean(t, server)
  }
  tally(t, 'faults', 3)
})
