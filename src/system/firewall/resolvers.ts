import { readFile } from 'node:fs/promises'
import { isIPv4, isIPv6 } from 'node:net'

/** The text of resolv.conf(5), and the addresses of the resolvers in it. */
export interface Resolvers { text: string, resolvers4: string[], resolvers6: string[] }

const FILE = '/etc/resolv.conf'

/** Reads the resolvers that this machine is configured with. Without the file there are none: sessions cannot resolve names, and reach addresses all the same. */
export async function readResolvers (): Promise<Resolvers> {
  return parse(await readFile(FILE, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  }))
}

/** Watches the machine's resolvers. Each look reads the file again, so that it notices every way of replacing it. */
export class ResolverWatch {
  #known: Resolvers
  #seen: string

  constructor (known: Resolvers) {
    this.#known = known
    this.#seen = known.text
  }

  /** The known resolvers. */
  get known (): Resolvers {
    return this.#known
  }

  /**
   * Resolves with true when the file has changed and two looks in a row have found the same text: a new text may be
   * half-written. A file that is gone counts as unreadable.
   * @throws when the file cannot be read; then the known resolvers stay
   */
  async look (): Promise<boolean> {
    const text = await readFile(FILE, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && this.#known.text === '') return '' // there was no file before either
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
