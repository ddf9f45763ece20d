import type { Nets } from '#domain/machine/nets.ts'
import { run } from '#system/kernel/run.ts'

/**
 * The rules of one instance, in whatever filter the host has. Sessions differ by own ports only: every uid of the range
 * is refused by default, known or not. Errors are `CommandFailed`, or a signal's reason.
 */
export interface FirewallBackend {
  readonly name: 'nftables' | 'iptables'
  /** The form in which `read` gives the rules while they are as they should be; nothing is loaded for it. */
  expected (): Promise<string>
  /** Replaces all that the instance has, in one transaction (one a family of addresses): there is no moment without rules. */
  load (own: OwnPort[]): Promise<void>
  /** Opens these ports; those that are open already stay so. */
  add (own: OwnPort[], signal: AbortSignal): Promise<void>
  /** Closes these ports, those of them that are open, also when all rules are missing; resolves when they are closed. */
  remove (own: OwnPort[], signal: AbortSignal): Promise<void>
  /** Reads back from the kernel what is in force. */
  read (signal?: AbortSignal): Promise<LoadedRules>
  /** Removes all that the instance has. */
  unload (): Promise<void>
}

/** What the rules depend on. Port ranges are the slots' display, dev-server and DevTools ports; the nets are opened like public addresses. */
export interface FirewallOptions extends Nets {
  instance: string
  uidMin: number
  uidMax: number
  portRanges: [number, number][]
  resolvers4: string[]
  resolvers6: string[]
}

/** This uid may use and serve this port of this machine. */
export interface OwnPort { uid: number, port: number }

/** What is in force: the rules in a form that compares equal while they are the same, and the own ports by `ownKey`. */
export interface LoadedRules {
  rules: string
  own: Set<string>
  /** The instance has something there, right or wrong. */
  isLoaded: boolean
}

export function ownKey ({ uid, port }: OwnPort): string {
  return `${uid} . ${port}`
}

/** Addresses that sessions may not reach: loopback, private and link-local networks, multicast and reserved ranges, IPv4-mapped and IPv4-translated IPv6. */
export const PRIVATE4 = ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '224.0.0.0/3']
export const PRIVATE6 = ['::/127', '::ffff:0:0/96', '64:ff9b::/96', 'fc00::/7', 'fe80::/10', 'ff00::/8']

/**
 * How this kernel and these tools show such rules: `load` reads them from its standard input and `list` prints them, in an
 * empty network namespace, beside the machine's own.
 */
export function shownElsewhere (load: string, list: string, input: string): Promise<string> {
  // the namespace lasts as long as its process, so one shell runs both; it splits them at spaces and expands nothing else
  return run(['unshare', '--net', 'sh', '-efc', '$1; exec $2', 'sh', load, list], { input })
}
