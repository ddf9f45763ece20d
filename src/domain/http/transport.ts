/** How a request came to the server. */
export interface Transport {
  /** `https` when a trusted proxy says so: the server itself speaks plain http. */
  protocol: string
  /** The client's address, as reported by trusted proxies. */
  ip: string
  socket: { localAddress?: string | undefined, remoteAddress?: string | undefined }
}

/** Tells whether nobody on the network could read the request: it came by https, or from this machine. */
export function isPrivate ({ protocol, ip, socket: { localAddress, remoteAddress } }: Transport): boolean {
  return protocol === 'https' || isLoopback(ip) || (ip === remoteAddress && ip === localAddress)
}

/** `::ffff:` begins IPv4 addresses at a server that listens on IPv6. */
function isLoopback (ip: string): boolean {
  return ip === '::1' || /^(?:::ffff:)?127\./.test(ip)
}
