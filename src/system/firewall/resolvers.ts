import { readFile } from 'node:fs/promises'
import { isIPv4, isIPv6 } from 'node:net'

/** The resolvers that this machine is configured with: resolv.conf(5). */
export async function readResolvers (): Promise<{ resolvers4: string[], resolvers6: string[] }> {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '' // no resolver: names are not resolved, addresses still work
    throw error
  })
  const addresses = text.split('\n').map(line => /^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1]).filter(address => address !== undefined)
  return { resolvers4: addresses.filter(isIPv4), resolvers6: addresses.filter(address => isIPv6(address)) }
}
