/** Where a request came from. */
export interface Peer {
  address: string
  /** Of the connection; absent where a proxy speaks for the client, whose own port nobody tells. */
  port?: number
}

/** `ip` is the client's address, as trusted proxies tell it. */
export function peerOf ({ ip, socket: { remoteAddress, remotePort } }: { ip: string, socket: { remoteAddress?: string | undefined, remotePort?: number | undefined } }): Peer {
  const isClient = remotePort !== undefined && remoteAddress === ip
  return { address: ip, ...(isClient && { port: remotePort }) }
}
