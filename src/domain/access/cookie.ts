import { publicAddressOf } from '#domain/http/public-address.ts'

/** A cookie of the server: signed, hidden from scripts, and also sent when a link on another site leads here. */
export interface Cookie {
  name: string
  options: { path: string, httpOnly: true, sameSite: 'lax', secure: boolean, signed: true }
}

/** The cookie for `what` at this public URL. Below a path prefix, browsers send it to no other path of the host. */
export function cookieFor (what: string, publicUrl: string): Cookie {
  const secure = publicUrl.startsWith('https:')
  const path = `${publicAddressOf(publicUrl).prefix}/`
  // `__Host-` binds the cookie to this exact host, and needs HTTPS and the path `/`; `__Secure-` needs HTTPS
  const guard = !secure ? '' : path === '/' ? '__Host-' : '__Secure-'
  return { name: `${guard}ex10-${what}`, options: { path, httpOnly: true, sameSite: 'lax', secure, signed: true } }
}
