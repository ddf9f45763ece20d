/** A cookie of the server's: signed, for no script, and sent along when a link of another site leads here. */
export interface Cookie {
  name: string
  options: { path: '/', httpOnly: true, sameSite: 'lax', secure: boolean, signed: true }
}

/** The cookie for `what`, as people at this address are given it. */
export function cookieFor (what: string, publicUrl: string): Cookie {
  const secure = publicUrl.startsWith('https:')
  // the prefix binds it to this very host, and is for HTTPS only
  return { name: `${secure ? '__Host-' : ''}ex10-${what}`, options: { path: '/', httpOnly: true, sameSite: 'lax', secure, signed: true } }
}
