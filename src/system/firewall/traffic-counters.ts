import { CommandFailed, run } from '#system/kernel/run.ts'

/** Bytes of the IP packets of one uid that left this machine or came to it, since its first packet. */
export interface Traffic { sentBytes: number, receivedBytes: number }

export interface CountedUids { instance: string, uidMin: number, uidMax: number }

interface NftObject { set?: { name: string, elem?: { elem: { val: number, counter: { bytes: number } } }[] } }

/**
 * Counts the traffic of the sessions' uids, in an nft table of its own: a load of the firewall's rules keeps the counts, and
 * damage here opens nothing. A uid has a counter from its first packet on. Packets within this machine are not counted.
 */
export class TrafficCounters {
  readonly #of: CountedUids
  readonly #table: string

  constructor (of: CountedUids) {
    this.#of = of
    this.#table = tableOf(of.instance)
  }

  /** Begins to count, or goes on with the counters that are there. */
  async open (): Promise<void> {
    const { uidMin, uidMax } = this.#of
    const rule = (chain: string, way: string, set: string) => `add rule inet ${this.#table} ${chain} ${way} != "lo" meta skuid ${uidMin}-${uidMax} update @${set} { meta skuid counter }`
    await this.#apply([
      `add table inet ${this.#table}`,
      ...['sent', 'received'].map(set => `add set inet ${this.#table} ${set} { type uid; size 65535; flags dynamic; }`),
      // behind the rules, which refuse packets at priority 0
      ...['output', 'input'].map(chain => `add chain inet ${this.#table} ${chain} { type filter hook ${chain} priority 10; policy accept; }`),
      ...['output', 'input'].map(chain => `flush chain inet ${this.#table} ${chain}`),
      rule('output', 'oifname', 'sent'),
      rule('input', 'iifname', 'received')
    ])
  }

  /** The counters, by uid. @throws {CommandFailed} when the table is gone */
  async read (): Promise<Map<number, Traffic>> {
    const { nftables } = JSON.parse(await run(['nft', '-j', 'list', 'table', 'inet', this.#table])) as { nftables: NftObject[] }
    const found = new Map<number, Traffic>()
    for (const { set } of nftables) {
      for (const { elem: { val, counter: { bytes } } } of set?.elem ?? []) {
        const traffic = found.get(val) ?? { sentBytes: 0, receivedBytes: 0 }
        found.set(val, { ...traffic, [set?.name === 'sent' ? 'sentBytes' : 'receivedBytes']: bytes })
      }
    }
    return found
  }

  /** Removes the counters of these uids, if there are any. */
  async forget (uids: number[]): Promise<void> {
    if (uids.length === 0) return
    const each = (verb: string) => ['sent', 'received'].map(set => `${verb} element inet ${this.#table} ${set} { ${uids.join(', ')} }`)
    // deleting a missing element fails, and adding an existing one does not
    await this.#apply([...each('add'), ...each('delete')])
  }

  /** Removes the table, if it is there. */
  async close (): Promise<void> {
    await this.#apply([`add table inet ${this.#table}`, `delete table inet ${this.#table}`])
  }

  async #apply (commands: string[]): Promise<void> {
    await run(['nft', '-f', '-'], { input: commands.join('\n') + '\n' })
  }
}

/** No instance has a name with a dot. */
export function tableOf (instance: string): string {
  return `${instance}.traffic`
}

/** Whether the error says that the table is gone. */
export function isGone (error: unknown): boolean {
  return error instanceof CommandFailed && /No such file or directory/.test(error.stderr)
}
