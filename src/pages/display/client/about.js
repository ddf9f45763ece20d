// What the server wrote into the page for its script. It is taken out of it: nothing else needs to find it there.

function take (name) {
  const meta = document.querySelector(`meta[name="ex10-${name}"]`)
  meta.remove()
  return meta.content
}

const base = `/session/${take('session')}/` // the page itself may have been opened by a link
const ticket = take('ticket') // spent once the WebSocket is open

/** Whether the person may act, or only look. */
export const canAct = take('mode') === 'control'
/** Speaks for the page, which has no cookie. */
export const token = take('token')
export const keepUrl = `${base}keep`
export const stateUrl = `${base}state?token=${token}`
export const problemsUrl = `${base}problems?token=${token}`
export const socketUrl = new URL(`${base}socket?ticket=${encodeURIComponent(ticket)}`, document.baseURI)
