import { ownKey, PRIVATE4, PRIVATE6, shownElsewhere, type FirewallBackend, type FirewallOptions, type LoadedRules, type OwnPort } from './backend.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'

/**
 * One table for the instance. Sessions differ by elements of the set `own` only, so that the cost of a packet does not grow
 * with the number of sessions.
 */
export function nftables (options: FirewallOptions): FirewallBackend {
  const table = options.instance

  async function read (signal?: AbortSignal): Promise<LoadedRules> {
    try {
      return parse(await run(['nft', '-j', 'list', 'table', 'inet', table], signal ? { signal } : {}))
    } catch (error) {
      if (isMissing(error)) return { rules: '', own: new Set(), isLoaded: false }
      throw error
    }
  }

  return {
    name: 'nftables',
    async expected () {
      return parse(await shownElsewhere('nft -f -', `nft -j list table inet ${table}`, ruleset(options, []))).rules
    },
    async load (own) {
      await run(['nft', '-f', '-'], { input: deletion(table) + ruleset(options, own) })
    },
    async add (own, signal) {
      await run(['nft', 'add', 'element', 'inet', table, 'own', inBraces(own.map(ownKey))], { signal })
    },
    async remove (own, signal) {
      try {
        // deleting a missing element fails, and adding an existing one does not: add first, then delete
        await run(['nft', '-f', '-'], { input: `add element inet ${table} own ${inBraces(own.map(ownKey))}\ndelete element inet ${table} own ${inBraces(own.map(ownKey))}\n`, signal })
        const left = (await read(signal)).own
        if (own.some(port => left.has(ownKey(port)))) throw new Error('the session\'s ports are still open')
      } catch (error) {
        // the table was deleted by another program: there is nothing to close
        if (!isMissing(error)) throw error
      }
    },
    read,
    async unload () {
      await run(['nft', '-f', '-'], { input: deletion(table) })
    }
  }
}

/** Whether nft reports a missing table. */
function isMissing (error: unknown): boolean {
  return error instanceof CommandFailed && /No such file or directory/.test(error.stderr)
}

/** `add` comes first, because deleting a missing table fails the whole transaction. */
function deletion (table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`
}

function ruleset (options: FirewallOptions, own: OwnPort[]): string {
  const elements = (list: string[]) => list.length > 0 ? `elements = ${inBraces(list)}` : ''
  const ports = options.portRanges.map(([first, last]) => `${first}-${last}`).join(', ')
  return `table inet ${options.instance} {
  set own { type uid . inet_service; ${elements(own.map(ownKey))} }
  set res4 { type ipv4_addr; ${elements(options.resolvers4)} }
  set res6 { type ipv6_addr; ${elements(options.resolvers6)} }
  set nets4 { type ipv4_addr; flags interval; ${elements(options.nets4)} }
  set nets6 { type ipv6_addr; flags interval; ${elements(options.nets6)} }
  set priv4 { type ipv4_addr; flags interval; ${elements(PRIVATE4)} }
  set priv6 { type ipv6_addr; flags interval; ${elements(PRIVATE6)} }

  chain output {
    type filter hook output priority 0; policy accept;
    meta skuid ${options.uidMin}-${options.uidMax} jump session
    # only root and the session itself may reach a slot's ports from this machine
    meta skuid 0 accept
    ct direction original oifname "lo" tcp dport { ${ports} } jump refuse
  }
  chain session {
    # answers of its listeners (SYN-ACK included): only from its own ports, so that it can squat on no other, and only to this
    # machine, where the server passes them on: browsers elsewhere would take a session's pages for the server's, and send it their cookies
    oifname "lo" ct direction reply meta l4proto tcp meta skuid . tcp sport @own accept
    ct direction reply counter drop
    # each packet is checked, also of open connections: one that was opened while rules were missing is no exception
    oifname "lo" meta skuid . tcp dport @own accept
    ip daddr @res4 meta l4proto { tcp, udp } th dport 53 accept
    ip6 daddr @res6 meta l4proto { tcp, udp } th dport 53 accept
    fib daddr type local jump refuse
    oifname != "lo" ip daddr @nets4 tcp dport { 80, 443 } accept
    oifname != "lo" ip6 daddr @nets6 tcp dport { 80, 443 } accept
    ip daddr @priv4 jump refuse
    ip6 daddr @priv6 jump refuse
    tcp dport { 80, 443 } accept
    jump refuse
  }
  chain refuse {
    meta l4proto tcp counter reject with tcp reset
    counter reject with icmpx admin-prohibited
  }
}
`
}

function inBraces (elements: string[]): string {
  return `{ ${elements.join(', ')} }`
}

interface NftObject { [kind: string]: { name?: string, elem?: { concat: [number, number] }[] } | undefined }

function parse (listed: string): LoadedRules {
  const { nftables } = JSON.parse(listed) as { nftables: NftObject[] }
  const own = new Set<string>()
  const rules: unknown[] = []
  for (const object of nftables) {
    if (object.metainfo) continue
    if (object.set?.name === 'own') {
      for (const { concat: [uid, port] } of object.set.elem ?? []) own.add(ownKey({ uid, port }))
      delete object.set.elem
    }
    rules.push(object)
  }
  // handles differ from load to load, counters from packet to packet
  return { rules: JSON.stringify(rules, (key, value) => key === 'handle' ? undefined : key === 'counter' && value ? true : value), own, isLoaded: true }
}
