import { isIP } from 'node:net'

/** What decides whether a request may do something: headers that a browser sets and a page cannot. */
export interface Caller {
  host: string | undefined
  origin: string | undefined
  secFetchSite: string | undefined
}

/** A host and perhaps a port: what the display page's policy can name. */
const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** Who may call: the origins on the list, and the address that people use. */
export interface OriginRules { origins: string[], publicUrl: string }

/**
 * Whether the server is known by this `Host`. A name that is not known may be another site's that was pointed here
 * (DNS rebinding); an address cannot be.
 */
export function isKnownHost (host: string | undefined, { publicUrl }: OriginRules): boolean {
  if (host === undefined) return false
  return HOST.test(host) && ((publicUrl !== '' && host.toLowerCase() === new URL(publicUrl).host) || isAddress(host))
}

function isAddress (host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '')
  return name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/**
 * Whether the caller may change something: it is no browser, or a page of ours, or one whose origin is on the list, or
 * the person who typed the address.
 */
export function mayChange (caller: Caller, rules: OriginRules): boolean {
  if (caller.origin !== undefined) return isOwnOrigin(caller, rules) || rules.origins.includes(caller.origin)
  return caller.secFetchSite === undefined || caller.secFetchSite === 'same-origin' || caller.secFetchSite === 'none'
}

/** At the public address, and at the server's own, by which an operator may call it behind the proxy's back. */
function isOwnOrigin ({ origin, host = '', secFetchSite }: Caller, { publicUrl }: OriginRules): boolean {
  if (publicUrl && origin === publicUrl) return true
  return isAddress(host) && origin === `http://${host}` && (secFetchSite === undefined || secFetchSite === 'same-origin')
}
