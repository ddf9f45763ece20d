/** A cookie of the server: signed, hidden from scripts, and also sent when a link on another site leads here. */
export interface Cookie {
  name: string
  options: { path: '/', httpOnly: true, sameSite: 'lax', secure: boolean, signed: true }
}

/** The cookie for `what` at this public URL. */
export function cookieFor (what: string, publicUrl: string): Cookie {
  const secure = publicUrl.startsWith('https:')
  // the prefix `__Host-` binds the cookie to this exact host, and needs HTTPS
  return { name: `${secure ? '__Host-' : ''}ex10-${what}`, options: { path: '/', httpOnly: true, sameSite: 'lax', secure, signed: true } }
}
