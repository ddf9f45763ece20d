import type { Nets } from '#domain/machine/nets.ts'
import { run } from '#system/kernel/run.ts'

/**
 * The rules of one instance, in the host's packet filter. Sessions differ by own ports only: every uid of the range is
 * refused by default, even without a session. Errors are `CommandFailed`, or a signal's reason.
 */
export interface FirewallBackend {
  readonly name: 'nftables' | 'iptables'
  /** The rules in the form in which `read` returns them when they are correct. Loads nothing. */
  expected (): Promise<string>
  /** Replaces all rules of the instance, in one transaction for each address family: there is no moment without rules. */
  load (own: OwnPort[]): Promise<void>
  /** Opens these ports. Ports that are open already stay open. */
  add (own: OwnPort[], signal: AbortSignal): Promise<void>
  /** Closes those of these ports that are open. Works without any rules, too. Resolves when the ports are closed. */
  remove (own: OwnPort[], signal: AbortSignal): Promise<void>
  /** Reads the rules in force back from the kernel. */
  read (signal?: AbortSignal): Promise<LoadedRules>
  /** Removes all rules of the instance. */
  unload (): Promise<void>
}

/** The input of the rules. Port ranges are the slots' display, dev-server and DevTools ports. The nets are opened like public addresses. */
export interface FirewallOptions extends Nets {
  instance: string
  uidMin: number
  uidMax: number
  portRanges: [number, number][]
  resolvers4: string[]
  resolvers6: string[]
}

/** A port of this machine that this uid may use and serve. */
export interface OwnPort { uid: number, port: number }

/** The state in force: the rules in a form that compares equal while they are unchanged, and the own ports by `ownKey`. */
export interface LoadedRules {
  rules: string
  own: Set<string>
  /** The filter holds rules of the instance, correct or not. */
  isLoaded: boolean
}

export function ownKey ({ uid, port }: OwnPort): string {
  return `${uid} . ${port}`
}

/** Addresses that sessions may not reach: loopback, private and link-local networks, multicast and reserved ranges, IPv4-mapped and IPv4-translated IPv6. */
export const PRIVATE4 = ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '224.0.0.0/3']
export const PRIVATE6 = ['::/127', '::ffff:0:0/96', '64:ff9b::/96', 'fc00::/7', 'fe80::/10', 'ff00::/8']

/**
 * Loads rules into a new, empty network namespace and lists them there, to see how this kernel and these tools show them.
 * `load` reads the rules from its standard input, and `list` prints them.
 */
export function shownElsewhere (load: string, list: string, input: string): Promise<string> {
  // the namespace lasts as long as its process, so one shell runs both; it splits them at spaces and expands nothing else
  return run(['unshare', '--net', 'sh', '-efc', '$1; exec $2', 'sh', load, list], { input })
}
