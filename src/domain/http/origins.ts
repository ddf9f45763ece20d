import { isIP } from 'node:net'
import type { PublicAddress } from './public-address.ts'

/** The headers that decide whether a request may change something: a browser sets them, and a page cannot. */
export interface Caller {
  host: string | undefined
  origin: string | undefined
  secFetchSite: string | undefined
}

/** A host, and optionally a port, in a form that the display page's policy can name. */
const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** The origins that may call: those on the list, and the public address. */
export interface OriginRules { origins: string[], address: Pick<PublicAddress, 'origin' | 'host'> }

/**
 * Tells whether this `Host` names the server. An unknown name may be another site's name that was pointed here (DNS
 * rebinding); an address cannot be.
 */
export function isKnownHost (host: string | undefined, { address }: OriginRules): boolean {
  if (host === undefined) return false
  return HOST.test(host) && (host.toLowerCase() === address.host || isAddress(host))
}

function isAddress (host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '')
  return name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** Whether a request with this method is to change something; `changesState` says so of a route whose method says that it does not. */
export function isChange (method: string, { changesState = false }: { changesState?: boolean | undefined } = {}): boolean {
  return changesState || !['GET', 'HEAD', 'OPTIONS'].includes(method)
}

/**
 * Tells whether the caller may change something: it is not a browser, or is a page of ours, or a page whose origin is on
 * the list, or the person typed the address.
 */
export function mayChange (caller: Caller, rules: OriginRules): boolean {
  if (caller.origin !== undefined) return isOwnOrigin(caller, rules) || rules.origins.includes(caller.origin)
  return caller.secFetchSite === undefined || caller.secFetchSite === 'same-origin' || caller.secFetchSite === 'none'
}

/** Tells whether the page is ours: at the public address, or at the server's own address, which an operator may use to bypass the proxy. */
function isOwnOrigin ({ origin, host = '', secFetchSite }: Caller, { address }: OriginRules): boolean {
  if (origin !== '' && origin === address.origin) return true
  return isAddress(host) && origin === `http://${host}` && (secFetchSite === undefined || secFetchSite === 'same-origin')
}
