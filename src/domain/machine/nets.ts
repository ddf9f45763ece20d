import { BlockList, isIP } from 'node:net'

/** Nets of each family in CIDR notation, none of which lies within another. */
export interface Nets { nets4: string[], nets6: string[] }

interface Net { family: 'ipv4' | 'ipv6', address: string, bits: number }

/** Nets that are never opened to sessions: this machine, link-local nets with a cloud's metadata service, multicast, IPv4-mapped IPv6, and the same IPv4 nets behind NAT64 (RFC 6052). */
const NEVER = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/127', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8',
  '64:ff9b::/104', '64:ff9b::7f00:0/104', '64:ff9b::a9fe:0/112', '64:ff9b::e000:0/99']

/**
 * Reads nets to be opened to sessions, each an address or in CIDR notation.
 * @throws {Error} for a net that is malformed or holds addresses which no session may reach; the message says what to give instead
 */
export function readNets (texts: string[]): Nets {
  const nets = texts.map(readNet).sort((a, b) => a.bits - b.bits)
  const kept = nets.filter((net, index) => !nets.slice(0, index).some(wider => contains(wider, net)))
  const shown = (family: Net['family']) => kept.filter(net => net.family === family).map(({ address, bits }) => `${address}/${bits}`)
  return { nets4: shown('ipv4'), nets6: shown('ipv6') }
}

function readNet (text: string): Net {
  const net = parseNet(text)
  if (!net) throw new Error(`${text} is not a net: give an address or a CIDR range, such as 10.20.0.0/16 or fd12:3456::/32`)
  const never = NEVER.find(never => overlap(net, parseNet(never)!))
  if (never) throw new Error(`${text} holds addresses of ${never}, which sessions never reach: give nets without them`)
  return net
}

function parseNet (text: string): Net | undefined {
  const [, address = '', length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const bits = Number(length ?? most)
  if (family !== 0 && bits <= most) return { family: family === 4 ? 'ipv4' : 'ipv6', address, bits }
}

/** Two nets are apart, or one lies within the other. */
function overlap (a: Net, b: Net): boolean {
  return contains(a, b) || contains(b, a)
}

function contains (outer: Net, inner: Net): boolean {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false
  const addresses = new BlockList()
  addresses.addSubnet(outer.address, outer.bits, outer.family)
  return addresses.check(inner.address, inner.family)
}
