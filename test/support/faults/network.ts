import { execFileSync } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { firstLine, jsonOf, pythonArgv, start } from '#support/sandbox.ts'
import { eventually, TEST_DATA } from '#support/servers/server.ts'

/** One thing that can be asked over the network. `source` binds the asking end. */
export interface Target { kind: 'tcp' | 'udp', address: string, port: number, source?: [string, number] }

const MARK = 'EX10_TEST_OWN_NETWORK'

/**
 * Goes on in a network and mount namespace of this test's own, in the same process: the machine's network, firewall
 * and mounts are not touched, and all goes away with the test. Call it before tap is imported.
 */
export function enterOwnNetwork (file: string): void {
  if (process.env[MARK]) {
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    return
  }
  const argv = ['unshare', '--net', '--mount', '--', process.execPath, ...process.execArgv, file]
  process.execve!('/usr/bin/unshare', argv, { ...process.env, [MARK]: '1' })
}

/** The far end of this namespace's only link. */
export interface Internet {
  /** Words that run a command there. */
  enter: string[]
}

/**
 * Makes a second namespace that stands for the Internet, linked to this one by a veth pair, with these addresses, and
 * makes `resolvers`, if there are any, this namespace's resolv.conf.
 */
export async function makeInternet (t: Test, addresses: string[], resolvers: string[] = []): Promise<Internet> {
  const anchor = start(t, ['unshare', '--net', 'cat'])
  await eventually('the second namespace', () => readlinkSync(`/proc/${anchor.pid}/ns/net`) !== readlinkSync('/proc/self/ns/net'))
  const enter = ['nsenter', '-t', String(anchor.pid), '--net', '--']
  const ip = (words: string, prefix: string[] = []) => { const [command = '', ...rest] = [...prefix, 'ip', ...words.split(' ')]; execFileSync(command, rest) }
  ip(`link add uplink type veth peer name far netns ${anchor.pid}`)
  ip('addr add 203.0.113.2/24 dev uplink')
  ip('addr add 2001:db8::2/64 dev uplink nodad')
  ip('link set uplink up')
  ip('link set lo up', enter)
  for (const address of addresses) ip(`addr add ${address}${address.includes(':') ? ' nodad' : ''} dev far`, enter)
  ip('link set far up', enter)
  ip('route add default via 203.0.113.1')
  ip('route add default via 2001:db8::1')
  if (resolvers.length === 0) return { enter }
  const file = `${TEST_DATA}/resolv-${process.pid}`
  writeFileSync(file, resolvers.map(address => `nameserver ${address}\n`).join(''))
  t.teardown(() => { execFileSync('umount', ['/etc/resolv.conf']); execFileSync('rm', [file]) })
  execFileSync('mount', ['--bind', file, '/etc/resolv.conf'])
  return { enter }
}

/** Starts listeners on all of the targets; resolves when they listen, with what has reached them so far. */
export async function listen (t: Test, targets: Target[], prefix: string[] = []): Promise<() => string[]> {
  return listening(start(t, [...prefix, ...pythonArgv('listener.py', targets)]))
}

/** Waits until a started listener.py listens. */
export async function listening (child: ReturnType<typeof start>): Promise<() => string[]> {
  let output = ''
  child.stdout.on('data', chunk => { output += chunk })
  await firstLine(child)
  return () => output.split('\n').slice(1, -1)
}

/** Asks every target from this namespace, as root unless `prefix` says otherwise: its name -> 'reached', 'refused', or what went wrong. */
export async function probe<Name extends string> (t: Test, targets: Record<Name, Target>, prefix: string[] = []): Promise<Record<Name, string>> {
  return jsonOf(start(t, [...prefix, ...pythonArgv('probe.py', targets)]))
}

/** The same answer for every target. */
export function all<Name extends string> (targets: Record<Name, Target>, answer: string): Record<Name, string> {
  return Object.fromEntries(Object.keys(targets).map(name => [name, answer])) as Record<Name, string>
}
