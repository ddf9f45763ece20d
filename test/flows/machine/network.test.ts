import { execFileSync } from 'node:child_process'
import { networkInterfaces } from 'node:os'
import type { Test } from 'tap'
import { enterOwnNetwork, all, listen, listening, makeInternet, probe, type Target } from '#support/faults/network.ts'

enterOwnNetwork(import.meta.filename)
const { default: t } = await import('tap')
const { serve } = await import('#support/servers/creation.ts')
const { createSession, eventually } = await import('#support/servers/server.ts')
const { inside, pythonArgv } = await import('#support/sandbox.ts')

const tcp = (address: string, port: number): Target => ({ kind: 'tcp', address, port })
const udp = (address: string, port: number): Target => ({ kind: 'udp', address, port })
const LINK_LOCAL = 'fe80::9%uplink'

/** Nets that the operator opens, in which this machine has addresses, too. */
const OPENED = '10.20.0.0/16,fd12::/16'
const OWN_IN_OPENED = ['10.20.0.2/32', 'fd12::2/128']

/** On the far end: what a session may reach, by design. */
const PUBLIC = {
  'a web site': tcp('198.51.100.9', 80),
  'a web site by TLS': tcp('198.51.100.9', 443),
  'a web site, IPv6': tcp('2001:db8:9::9', 80),
  'a web site by TLS, IPv6': tcp('2001:db8:9::9', 443),
  'the intranet that is opened': tcp('10.20.9.9', 80),
  'the intranet that is opened, by TLS': tcp('10.20.9.9', 443),
  'the intranet that is opened, IPv6': tcp('fd12:9::9', 80),
  'the resolver': udp('203.0.113.53', 53),
  'the resolver by TCP': tcp('203.0.113.53', 53),
  'the resolver, IPv6': udp('2001:db8::53', 53),
  'the resolver by TCP, IPv6': tcp('2001:db8::53', 53)
}

/** On the far end: what it may not. */
const FORBIDDEN = {
  'ssh of a public machine': tcp('198.51.100.9', 22),
  'ssh of a public machine, IPv6': tcp('2001:db8:9::9', 22),
  'another port of a public machine': tcp('198.51.100.9', 8080),
  'another resolver': udp('198.51.100.9', 53),
  'another resolver by TCP': tcp('198.51.100.9', 53),
  'another resolver, IPv6': udp('2001:db8:9::9', 53),
  'another port of the resolver': tcp('203.0.113.53', 22),
  'QUIC on the resolver': udp('203.0.113.53', 443),
  QUIC: udp('198.51.100.9', 443),
  'QUIC, IPv6': udp('2001:db8:9::9', 443),
  'the metadata service': tcp('169.254.169.254', 80),
  'the metadata service, IPv6': tcp('fd00:ec2::254', 80),
  'ssh of the intranet that is opened': tcp('10.20.9.9', 22),
  'another port of it': tcp('10.20.9.9', 8080),
  'another port of it, IPv6': tcp('fd12:9::9', 8080),
  'a resolver in it': udp('10.20.9.9', 53),
  'QUIC in it': udp('10.20.9.9', 443),
  'private 10/8': tcp('10.9.9.9', 80),
  'private 172.16/12': tcp('172.16.9.9', 443),
  'private 192.168/16': tcp('192.168.9.9', 80),
  'carrier-grade 100.64/10': tcp('100.64.9.9', 80),
  'unique local, IPv6': tcp('fd00:9::9', 443),
  'link-local, IPv6': tcp(LINK_LOCAL, 80),
  'IPv4 through NAT64': tcp('64:ff9b::a09:909', 80)
}

for (const backend of ['nftables', 'iptables']) {
  t.test(`${backend}: a session reaches the web, the nets that are opened, its resolver and its own ports, and nothing else`, { timeout: 240_000 }, t => probeSessions(t, backend))
}

async function probeSessions (t: Test, backend: string): Promise<void> {
  const addresses = ['203.0.113.1/24', '203.0.113.53/24', '198.51.100.9/32', '10.20.9.9/32', 'fd12:9::9/128', '169.254.169.254/32', '10.9.9.9/32', '172.16.9.9/32', '192.168.9.9/32', '100.64.9.9/32',
    '2001:db8::1/64', '2001:db8::53/64', '2001:db8:9::9/128', 'fd00:ec2::254/128', 'fd00:9::9/128', 'fe80::9/64', '64:ff9b::a09:909/128']
  const internet = await makeInternet(t, addresses, ['203.0.113.53', '2001:db8::53'])
  for (const address of OWN_IN_OPENED) execFileSync('ip', ['addr', 'add', address, 'dev', 'uplink', ...address.includes(':') ? ['nodad'] : []])
  // this machine asks unique local addresses from its own, so the far end needs the way back
  const [command = '', ...args] = [...internet.enter, 'ip', 'route', 'add', OWN_IN_OPENED[1]!, 'dev', 'far']
  execFileSync(command, args)
  const farTargets = Object.values({ ...PUBLIC, ...FORBIDDEN })
  const atFarEnd = await listen(t, farTargets.map(target => target.address === LINK_LOCAL ? { ...target, address: 'fe80::9%far' } : target), internet.enter)
  const ordinary = { 'an ordinary service': tcp('127.0.0.1', 4711), 'an ordinary service, IPv6': tcp('::1', 4711), 'an ordinary service by UDP': udp('127.0.0.1', 4711) }
  await listen(t, [tcp('0.0.0.0', 80), tcp('::', 80), tcp('0.0.0.0', 22), tcp('::', 443), udp('127.0.0.1', 53), udp('::1', 53), ...Object.values(ordinary)])

  const server = await serve(t, { EX10_FIREWALL: backend, EX10_ALLOW_NETS: OPENED })
  t.match(await (await fetch(`${server.url}/health`)).json(), { isolation: { firewall: backend } }, 'the backend is in force')
  const a = await inside(t, server, await createSession(server))
  const portsOf = ({ facts: { slot } }: typeof a) => ({ display: tcp('127.0.0.1', slot.displayPort), 'dev server': tcp('127.0.0.1', slot.devServerPort), DevTools: tcp('127.0.0.1', slot.devToolsPort) })
  const own = portsOf(a)

  // A listens where the next slot's services will, on every address that leaves 127.0.0.1 free for them
  const nextPorts = Object.values(own).map(({ port }) => port + 1)
  const squatted = Object.fromEntries([
    ...nextPorts.flatMap(port => ['127.0.0.2', '::1', '203.0.113.2'].map(address => tcp(address, port))),
    ...nextPorts.map(port => tcp('127.0.0.1', port + 1)), tcp('127.0.0.1', 4444), tcp('127.0.0.2', Number(new URL(server.url).port))
  ].map(target => [`${target.address} ${target.port}`, { ...target, timeout: 2 }]))
  const ownElsewhere = tcp('127.0.0.2', own.display.port)
  const reached = await listening(a.startSoft(pythonArgv('listener.py', [...Object.values(squatted), ownElsewhere])))

  const b = await inside(t, server, await createSession(server))
  const others = portsOf(b)
  t.strictSame(Object.values(others).map(({ port }) => port), nextPorts, 'the next session has the ports that the first one squats on')

  await t.test('its own three ports, the web, the nets that are opened and the configured resolver answer, by IPv4 and IPv6', async t => {
    for (const session of [a, b]) {
      const targets = { ...portsOf(session), ...PUBLIC }
      t.strictSame(await session.python('probe.py', targets), all(targets, 'reached'), session === a ? 'the first session' : 'the second session')
    }
  })

  const hostOwn = networkInterfaces().uplink?.map(({ address }) => address) ?? []
  const local: Record<string, Target> = {
    'another session\'s display': others.display,
    'another session\'s dev server': others['dev server'],
    'another session\'s DevTools': others.DevTools,
    'another session\'s display, mapped': tcp('::ffff:127.0.0.1', others.display.port),
    'another session\'s display, as 0.0.0.0': tcp('0.0.0.0', others.display.port),
    'the API': tcp('127.0.0.1', Number(new URL(server.url).port)),
    'port 80 of localhost': tcp('127.0.0.1', 80),
    'port 80 of localhost, IPv6': tcp('::1', 80),
    'port 80 of localhost, mapped': tcp('::ffff:127.0.0.1', 80),
    'port 80 of localhost, as 0.0.0.0': tcp('0.0.0.0', 80),
    'port 80 of localhost, as ::': tcp('::', 80),
    'port 80 of localhost, as 127.3.3.3': tcp('127.3.3.3', 80),
    'port 443 of localhost, IPv6': tcp('::1', 443),
    'port 22 of localhost': tcp('127.0.0.1', 22),
    'a resolver on localhost': udp('127.0.0.1', 53),
    'a resolver on localhost, IPv6': udp('::1', 53),
    ...ordinary,
    ...Object.fromEntries(hostOwn.map(address => [`the host's own address ${address.replace(/^fe80::(?!9$).*/, 'of the link')}`, tcp(address.startsWith('fe80') ? `${address}%uplink` : address, 80)]))
  }

  const forbiddenLines = new Set(Object.values(FORBIDDEN).map(({ kind, address, port }) => `reached ${kind} ${address.replace(LINK_LOCAL, 'fe80::9%far')} ${port}`))

  await t.test('everything else is refused at once, while it answers root', async t => {
    const targets = { ...local, ...FORBIDDEN }
    t.ok(hostOwn.includes('203.0.113.2') && hostOwn.includes('2001:db8::2'), 'the host has addresses of its own')
    t.ok(OWN_IN_OPENED.every(own => hostOwn.includes(own.split('/')[0]!)), 'also in the nets that are opened')
    t.strictSame(await probe(t, targets), all(targets, 'reached'), 'control: all of it is there')
    t.strictSame(await a.python('probe.py', targets), all(targets, 'refused'), 'the session is refused')
    // the far end tells in order: with this last one, it has told of all that came before
    t.strictSame(await probe(t, { last: FORBIDDEN.QUIC }), { last: 'reached' }, 'control: the far end still answers root')
    const wanted = [...forbiddenLines, 'reached udp 198.51.100.9 443'].sort()
    const arrivals = () => atFarEnd().filter(line => forbiddenLines.has(line)).sort()
    const arrived = await eventually('the last one', () => arrivals().length >= wanted.length && arrivals())
    t.strictSame(arrived, wanted, 'and nothing of it arrived at the far end, where root was seen')
  })

  const from = (address: string, targets: Target[]) => Object.fromEntries(targets.map((target, index) =>
    [`${target.kind} ${target.address} ${target.port}`, { ...target, source: [address, Object.values(own)[index % 3]!.port] as [string, number] }]))

  await t.test('a port of its own is no way out when it is the source', async t => {
    const targets = {
      ...from('127.0.0.3', [others.display, local['the API']!, ordinary['an ordinary service'], tcp('127.0.0.1', 80)]),
      ...from('203.0.113.2', [FORBIDDEN['ssh of a public machine'], FORBIDDEN['the metadata service'], FORBIDDEN['private 10/8']]),
      ...from('2001:db8::2', [FORBIDDEN['ssh of a public machine, IPv6'], FORBIDDEN['unique local, IPv6']])
    }
    const allowed = from('203.0.113.2', [PUBLIC['a web site'], PUBLIC['a web site by TLS'], PUBLIC['the resolver']])
    t.strictSame(await probe(t, targets), all(targets, 'reached'), 'control: from these ports, root is answered')
    t.strictSame(await a.python('probe.py', allowed), all(allowed, 'reached'), 'control: the session may send from them')
    t.strictSame(await a.python('probe.py', targets), all(targets, 'refused'), 'the session is refused')
  })

  await t.test('a UDP flow that somebody else has opened cannot be taken over', async t => {
    const flows = { ...from('203.0.113.2', [FORBIDDEN.QUIC, FORBIDDEN['another resolver']]), ...from('127.0.0.3', [ordinary['an ordinary service by UDP']]) }
    t.strictSame(await probe(t, flows), all(flows, 'reached'), 'control: root opens them')
    t.strictSame(await a.python('probe.py', flows), all(flows, 'refused'), 'the session, from the same ports, is refused')
  })

  await t.test('whoever squats on another session\'s port is reached by nobody', async t => {
    t.strictSame(await probe(t, { own: ownElsewhere }), { own: 'reached' }, 'control: the same program is reached on a port that is the session\'s own')
    t.strictSame(await probe(t, squatted), all(squatted, 'no answer'), 'not by root')
    t.strictSame(await b.python('probe.py', squatted), { ...all(squatted, 'refused'), ...knockedByOwner(squatted, nextPorts) }, 'not by the session whose ports they are')
    t.strictSame(reached(), ['reached tcp 127.0.0.2 ' + own.display.port], 'the squatter itself saw the control only')
  })

  await t.test('what a session serves on its own ports is for this machine, whatever addresses it listens on', async t => {
    const facing = Object.fromEntries(['203.0.113.2', '2001:db8::2'].map(address => [address, { ...tcp(address, own.display.port), timeout: 2 }]))
    await listening(a.startSoft(pythonArgv('listener.py', Object.values(facing))))
    t.strictSame(await probe(t, facing), all(facing, 'reached'), 'control: from this machine, it is there')
    t.strictSame(await probe(t, { ssh: tcp('203.0.113.2', 22) }, internet.enter), { ssh: 'reached' }, 'control: from another one, this machine is')
    t.strictSame(await probe(t, facing, internet.enter), all(facing, 'no answer'), 'no other machine gets an answer')
  })

  await t.test('other users of the machine are kept from sessions\' ports, and from nothing else', async t => {
    const targets = { ...own, ...Object.fromEntries(Object.entries(others).map(([name, target]) => [`other ${name}`, target])) }
    const unaffected = { ...ordinary, ...PUBLIC, ...FORBIDDEN, 'the API': local['the API']! }
    const someone = ['setpriv', '--reuid=64123', '--regid=64123', '--clear-groups', '--']
    t.strictSame(await probe(t, targets), all(targets, 'reached'), 'control: the ports are there')
    t.strictSame(await probe(t, targets, someone), all(targets, 'refused'), 'another user is refused on them')
    t.strictSame(await probe(t, unaffected, someone), all(unaffected, 'reached'), 'and reaches all else')
  })
}

/** A session may ask its own ports on any address of this machine's loopback: then it is the squatter's answer that is dropped. */
function knockedByOwner (targets: Record<string, Target>, ports: number[]): Record<string, string> {
  return Object.fromEntries(Object.entries(targets).filter(([, { port }]) => ports.includes(port)).map(([name]) => [name, 'no answer']))
}
