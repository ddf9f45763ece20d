/** The origin of a request on the network. */
export interface Peer {
  address: string
  /** The client's port; absent behind a proxy, which does not report it. */
  port?: number
}

/** `ip` is the client's address, as reported by trusted proxies. */
export function peerOf ({ ip, socket: { remoteAddress, remotePort } }: { ip: string, socket: { remoteAddress?: string | undefined, remotePort?: number | undefined } }): Peer {
  const isClient = remotePort !== undefined && remoteAddress === ip
  return { address: ip, ...(isClient && { port: remotePort }) }
}
