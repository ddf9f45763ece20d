// What the server wrote into the page for its script. It is taken out of it: nothing else needs to find it there.

function take (name) {
  const meta = document.querySelector(`meta[name="ex10-${name}"]`)
  meta.remove()
  return meta.content
}

const base = `/session/${take('session')}/` // the page itself may have been opened by a link
const ticket = take('ticket') // spent once the WebSocket is open
const share = take('share')

/** Whether the person may act, or only look. */
export const canAct = take('mode') === 'control'
/** Keeps the session from ending; empty for who only looks. */
export const token = take('token')
export const keepUrl = `${base}keep`
export const stateUrl = `${base}state${share && `?share=${share}`}`
export const socketUrl = new URL(`${base}socket?ticket=${encodeURIComponent(ticket)}`, document.baseURI)
