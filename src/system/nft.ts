import { run } from './run.ts'

/** What the table depends on. Port ranges are the slots' display, dev-server and DevTools ports. */
export interface RulesetOptions {
  table: string
  uidMin: number
  uidMax: number
  portRanges: [number, number][]
  resolvers4: string[]
  resolvers6: string[]
}

/** One element of the set `own`: this uid may use and serve this port. */
export interface OwnPort { uid: number, port: number }

/**
 * The table of an instance. Sessions differ by elements of the set `own` only, so that a packet costs the same
 * however many sessions there are. Every uid of the range is refused by default, known or not.
 */
export function ruleset (options: RulesetOptions): string {
  const elements = (list: string[]) => list.length > 0 ? `elements = { ${list.join(', ')} }` : ''
  const ports = options.portRanges.map(([first, last]) => `${first}-${last}`).join(', ')
  return `table inet ${options.table} {
  set own { type uid . inet_service; }
  set res4 { type ipv4_addr; ${elements(options.resolvers4)} }
  set res6 { type ipv6_addr; ${elements(options.resolvers6)} }
  set priv4 { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3 } }
  set priv6 { type ipv6_addr; flags interval; elements = { ::/127, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7, fe80::/10, ff00::/8 } }

  chain output {
    type filter hook output priority 0; policy accept;
    meta skuid ${options.uidMin}-${options.uidMax} jump session
    # nobody but root and the session itself may reach a slot's ports from this machine
    meta skuid 0 accept
    ct direction original oifname "lo" tcp dport { ${ports} } jump refuse
  }
  chain session {
    # what its listeners answer (SYN-ACK included): only from ports that it owns, so it can squat on no other
    ct direction reply meta l4proto tcp meta skuid . tcp sport @own accept
    ct direction reply counter drop
    # connections that it opened and that were allowed below; not UDP, whose flow another user may have opened
    ct direction original meta l4proto tcp ct state established accept
    oifname "lo" meta skuid . tcp dport @own accept
    ip daddr @res4 meta l4proto { tcp, udp } th dport 53 accept
    ip6 daddr @res6 meta l4proto { tcp, udp } th dport 53 accept
    fib daddr type local jump refuse
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

/** Replaces the table in one transaction: there is no moment without rules. */
export async function loadTable (options: RulesetOptions): Promise<void> {
  const { table } = options
  // `add` first, because deleting a table that is not there fails the whole transaction
  await run(['nft', '-f', '-'], { input: `add table inet ${table}\ndelete table inet ${table}\n${ruleset(options)}` })
}

export async function deleteTable (table: string): Promise<void> {
  await run(['nft', '-f', '-'], { input: `add table inet ${table}\ndelete table inet ${table}\n` })
}

export async function addOwnPorts (table: string, own: OwnPort[], signal: AbortSignal): Promise<void> {
  await run(['nft', 'add', 'element', 'inet', table, 'own', inBraces(own)], { signal })
}

/** Deletes these elements, those of them that are there. */
export async function deleteOwnPorts (table: string, own: OwnPort[], signal: AbortSignal): Promise<void> {
  // adding is idempotent and deleting is not: together they delete whatever there is
  await run(['nft', '-f', '-'], { input: `add element inet ${table} own ${inBraces(own)}\ndelete element inet ${table} own ${inBraces(own)}\n`, signal })
}

function inBraces (own: OwnPort[]): string {
  return `{ ${own.map(({ uid, port }) => `${uid} . ${port}`).join(', ')} }`
}

/** What is in force: the rules in a form that compares equal while they are the same, and the elements of `own`. */
export interface LoadedTable { rules: string, own: Set<string> }

interface NftObject { [kind: string]: { name?: string, elem?: { concat: [number, number] }[], handle?: number, expr?: unknown[] } | undefined }

export function ownKey ({ uid, port }: OwnPort): string {
  return `${uid} . ${port}`
}

/** Reads the table back from the kernel. */
export async function readTable (table: string, signal?: AbortSignal): Promise<LoadedTable> {
  const { nftables } = JSON.parse(await run(['nft', '-j', 'list', 'table', 'inet', table], signal ? { signal } : {})) as { nftables: NftObject[] }
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
  return { rules: JSON.stringify(rules, (key, value) => key === 'handle' ? undefined : key === 'counter' && value ? true : value), own }
}
