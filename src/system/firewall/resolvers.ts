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

function parse (text: string): Resolvers {
  const addresses = text.split('\n').map(line => /^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1]).filter(address => address !== undefined)
  return { text, resolvers4: addresses.filter(isIPv4), resolvers6: addresses.filter(address => isIPv6(address)) }
}
