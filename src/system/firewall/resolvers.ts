import { readFile } from 'node:fs/promises'
import { isIPv4, isIPv6 } from 'node:net'

/** What resolv.conf(5) says, and the addresses of the resolvers in it. */
export interface Resolvers { text: string, resolvers4: string[], resolvers6: string[] }

const FILE = '/etc/resolv.conf'

/** Reads the resolvers that this machine is configured with. Without the file there are none: names are not resolved, addresses still work. */
export async function readResolvers (): Promise<Resolvers> {
  return parse(await readFile(FILE, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  }))
}

/** Looks again and again whether the machine is configured with other resolvers, by whatever way the file was replaced. */
export class ResolverWatch {
  #known: Resolvers
  #seen: string

  constructor (known: Resolvers) {
    this.#known = known
    this.#seen = known.text
  }

  /** The resolvers that hold now. */
  get known (): Resolvers {
    return this.#known
  }

  /**
   * Resolves with true when the file has changed, and this look and the last one found the same in it: it may be
   * half-written. A file that has gone counts as one that cannot be read.
   * @throws when the file cannot be read; what was known holds
   */
  async look (): Promise<boolean> {
    const text = await readFile(FILE, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && this.#known.text === '') return '' // there was none before
      throw error
    })
    const isSettled = text === this.#seen
    this.#seen = text
    if (!isSettled || text === this.#known.text) return false
    this.#known = parse(text)
    return true
  }
}

function parse (text: string): Resolvers {
  const addresses = text.split('\n').map(line => /^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1]).filter(address => address !== undefined)
  return { text, resolvers4: addresses.filter(isIPv4), resolvers6: addresses.filter(address => isIPv6(address)) }
}
