// The values that the server wrote into the page for this script. They are removed from the page when they are read.

function take (name) {
  const meta = document.querySelector(`meta[name="ex10-${name}"]`)
  meta?.remove()
  return meta?.content
}

const base = take('base') // the path of the session's routes: the page's own address may be that of a link
const ticket = take('ticket') // spent once the WebSocket is open

/** Whether the person may act, or only look. */
export const canAct = take('mode') === 'control'
/** Authorises the page's requests: the page has no cookie. */
export const token = take('token')
/** Gets new addresses for a page that was opened by a displayUrl, whose own address soon expires; undefined in other pages. */
export const renewal = take('renewal')
export const renewUrl = `${base}display`
export const keepUrl = `${base}keep`
export const recoveryUrl = `${base}recovery`
/** The page on which people see their sessions. */
export const homeUrl = new URL('../../', new URL(base, document.baseURI)).href
export const stateUrl = `${base}state?token=${token}`
export const problemsUrl = `${base}problems?token=${token}`
export const socketUrl = new URL(`${base}socket?ticket=${encodeURIComponent(ticket)}`, document.baseURI)
