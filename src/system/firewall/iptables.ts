import { ownKey, PRIVATE4, PRIVATE6, shownElsewhere, type FirewallBackend, type FirewallOptions, type LoadedRules, type OwnPort } from './backend.ts'
import { run } from '#system/kernel/run.ts'

/** The differences between IPv4 and IPv6. */
interface Family {
  restore: string
  save: string
  privateRanges: string[]
  resolvers: 'resolvers4' | 'resolvers6'
  nets: 'nets4' | 'nets6'
  refusal: string
}

/** The legacy tools need no nf_tables in the kernel, and replace the table of a family in one step. */
const FAMILIES: Family[] = [
  { restore: 'iptables-legacy-restore --noflush --wait 5', save: 'iptables-legacy-save -t filter', privateRanges: PRIVATE4, resolvers: 'resolvers4', nets: 'nets4', refusal: 'icmp-admin-prohibited' },
  { restore: 'ip6tables-legacy-restore --noflush --wait 5', save: 'ip6tables-legacy-save -t filter', privateRanges: PRIVATE6, resolvers: 'resolvers6', nets: 'nets6', refusal: 'icmp6-adm-prohibited' }
]

/**
 * Chains named by the instance in the filter tables of both families; OUTPUT jumps to them first. A session adds two rules
 * to each family, so the cost of a packet grows with the number of sessions.
 */
export function iptables (options: FirewallOptions): FirewallBackend {
  const { instance } = options

  function save (signal?: AbortSignal): Promise<string[][]> {
    return Promise.all(FAMILIES.map(async family => (await run(words(family.save), signal && { signal })).split('\n')))
  }

  /** Applies changes to each family in one step. `changes` derives them from the family's saved rules. */
  async function change (changes: (saved: string[], family: Family) => string[], signal?: AbortSignal): Promise<void> {
    const saves = await save(signal)
    await Promise.all(FAMILIES.map(async (family, index) => {
      const lines = changes(saves[index]!, family)
      if (lines.length > 0) await run(words(family.restore), { input: transaction(lines), ...signal && { signal } })
    }))
  }

  /** Replaces the rules of each uid in `own`. `next` derives the uid's new ports from its present ones. */
  async function setPorts (own: OwnPort[], next: (has: OwnPort[]) => OwnPort[], signal: AbortSignal): Promise<void> {
    const uids = new Set(own.map(({ uid }) => uid))
    await change(saved => {
      const old = parseSaved(instance, saved).ownRules.filter(({ uid }) => uids.has(uid))
      const has = old.flatMap(({ uid, ports }) => ports.map(port => ({ uid, port })))
      return [...old.map(({ line }) => removalOf(line)), ...ownRules(instance, next(has))]
    }, signal)
  }

  async function read (signal?: AbortSignal): Promise<LoadedRules> {
    return combine(instance, await save(signal))
  }

  return {
    name: 'iptables',
    async expected () {
      const saves = await Promise.all(FAMILIES.map(family => shownElsewhere(family.restore, family.save, transaction(ruleset(options, family)))))
      return combine(instance, saves.map(saved => saved.split('\n'))).rules
    },
    load: own => change((saved, family) => [...removal(instance, saved), ...ruleset(options, family), ...ownRules(instance, own)]),
    add: (own, signal) => setPorts(own, has => [...has, ...own], signal),
    async remove (own, signal) {
      const closing = new Set(own.map(ownKey))
      await setPorts(own, has => has.filter(port => !closing.has(ownKey(port))), signal)
      if (!(await read(signal)).own.isDisjointFrom(closing)) throw new Error('the session\'s ports are still open')
    },
    read,
    unload: () => change(saved => removal(instance, saved))
  }
}

/** The rules of the nft ruleset, for iptables. Allowed packets return to OUTPUT, where rules of other programs apply. */
function ruleset ({ instance, uidMin, uidMax, portRanges, ...addresses }: FirewallOptions, family: Family): string[] {
  const ex = `${instance}-`
  const ports = portRanges.map(([first, last]) => `${first}:${last}`).join(',')
  return `
    -N ${ex}output
    -N ${ex}session
    -N ${ex}serve
    -N ${ex}reach
    -N ${ex}refuse

    -I OUTPUT 1 -j ${ex}output
    -A ${ex}output -m owner --uid-owner ${uidMin}-${uidMax} -g ${ex}session
    # nobody but root and the session itself may reach a slot's ports from this machine
    -A ${ex}output -m owner --uid-owner 0 -j RETURN
    -A ${ex}output -o lo -p tcp -m conntrack --ctdir ORIGINAL -m multiport --dports ${ports} -g ${ex}refuse

    # answers of its listeners (SYN-ACK included): only from its own ports, so that it can squat on no other, and only to this machine
    -A ${ex}session -o lo -p tcp -m conntrack --ctdir REPLY -g ${ex}serve
    -A ${ex}session -m conntrack --ctdir REPLY -j DROP
    # each packet is checked, also of open connections: one that was opened while rules were missing is no exception
    ${addresses[family.resolvers].flatMap(address => ['tcp', 'udp'].map(protocol => `-A ${ex}session -d ${address} -p ${protocol} --dport 53 -j RETURN`)).join('\n')}
    -A ${ex}session -o lo -p tcp -g ${ex}reach
    -A ${ex}session -m addrtype --dst-type LOCAL -g ${ex}refuse
    ${addresses[family.nets].map(net => `-A ${ex}session ! -o lo -d ${net} -p tcp -m multiport --dports 80,443 -j RETURN`).join('\n')}
    ${family.privateRanges.map(range => `-A ${ex}session -d ${range} -g ${ex}refuse`).join('\n')}
    -A ${ex}session -p tcp -m multiport --dports 80,443 -j RETURN
    -A ${ex}session -g ${ex}refuse

    # here the rules of sessions are inserted
    -A ${ex}serve -j DROP
    -A ${ex}reach -g ${ex}refuse

    -A ${ex}refuse -p tcp -j REJECT --reject-with tcp-reset
    -A ${ex}refuse -j REJECT --reject-with ${family.refusal}
  `.split('\n').map(line => line.trim()).filter(line => line && !line.startsWith('#'))
}

/** Two rules a session. A multiport match holds 15 ports, and a session has three. */
function ownRules (instance: string, own: OwnPort[]): string[] {
  return [...Map.groupBy(own, ({ uid }) => uid)].flatMap(([uid, of]) => {
    const ports = [...new Set(of.map(({ port }) => port))].sort((a, b) => a - b).join(',')
    return [['serve', 'sports'], ['reach', 'dports']].map(([chain, side]) =>
      `-I ${instance}-${chain} 1 -p tcp -m owner --uid-owner ${uid} -m multiport --${side} ${ports} -j RETURN`)
  })
}

interface OwnRule { line: string, chain: string, uid: number, ports: number[] }

/** The instance's part of a family's filter table: the rules of sessions, and all other rules. */
function parseSaved (instance: string, saved: string[]): { ownRules: OwnRule[], rules: string[], isLoaded: boolean } {
  const ownRule = new RegExp(`^-A ${instance}-(serve|reach) -p tcp -m owner --uid-owner (\\d+) -m multiport --(?:sports|dports) ([\\d,]+) -j RETURN$`)
  const ours = new RegExp(`^(:|-A )${instance}-| -[jg] ${instance}-\\S+$`)
  const ownRules: OwnRule[] = []
  const rules: string[] = rulesAhead(instance, saved)
  const lines = saved.filter(line => ours.test(line))
  for (const line of lines) {
    const [, chain, uid, ports] = ownRule.exec(line) ?? []
    if (chain && ports) ownRules.push({ line, chain, uid: Number(uid), ports: ports.split(',').map(Number) })
    else rules.push(line)
  }
  return { ownRules, rules, isLoaded: lines.length > 0 }
}

/** Rules of OUTPUT before the instance's jump, which could accept packets that the instance refuses. Those of other instances do not count: they return allowed packets to OUTPUT. */
function rulesAhead (instance: string, saved: string[]): string[] {
  const output = saved.filter(line => line.startsWith('-A OUTPUT '))
  const first = output.indexOf(`-A OUTPUT -j ${instance}-output`)
  return output.slice(0, Math.max(first, 0)).filter(line => !/^-A OUTPUT -j ex10[a-z0-9_]*-output$/.test(line))
}

/** A port is a session's own when all chains of both families have it. A port that only some of them have counts as a surplus rule. */
function combine (instance: string, saves: string[][]): LoadedRules {
  const families = saves.map(saved => parseSaved(instance, saved))
  const sets = families.flatMap(({ ownRules }) => ['serve', 'reach'].map(name =>
    new Set(ownRules.filter(({ chain }) => chain === name).flatMap(({ uid, ports }) => ports.map(port => ownKey({ uid, port }))))))
  const some = sets.reduce((all, set) => all.union(set))
  const own = sets.reduce((all, set) => all.intersection(set))
  return { rules: JSON.stringify([...families.map(({ rules }) => rules), [...some.difference(own)]]), own, isLoaded: families.some(({ isLoaded }) => isLoaded) }
}

/** The changes that remove all of the instance's rules and chains from a family's table. */
function removal (instance: string, saved: string[]): string[] {
  const chains = saved.flatMap(line => new RegExp(`^:(${instance}-\\S+)`).exec(line)?.[1] ?? [])
  const jumps = saved.filter(line => new RegExp(`^-A (?!${instance}-).* -[jg] ${instance}-\\S+$`).test(line))
  return [...jumps.map(removalOf), ...chains.map(chain => `-F ${chain}`), ...chains.map(chain => `-X ${chain}`)]
}

function removalOf (line: string): string {
  return line.replace(/^-A/, '-D')
}

function transaction (lines: string[]): string {
  return ['*filter', ...lines, 'COMMIT', ''].join('\n')
}

function words (command: string): [string, ...string[]] {
  return command.split(' ') as [string, ...string[]]
}
