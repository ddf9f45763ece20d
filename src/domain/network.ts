import { isIPv6 } from 'node:net'

/** What counts as one address of whoever asks: an IPv4 address, or of IPv6 its /64, which whoever has one address has whole. */
export function networkOf (ip: string): string {
  const address = ip.replace(/%.*$/, '') // a link-local one names its interface
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (v4 || !isIPv6(address)) return v4 ?? address
  const [left = [], right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').map(part => part.split(':').filter(Boolean)) // each in one form
  const groups = right ? [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right] : left
  return `${groups.slice(0, 4).join(':')}::/64`
}
