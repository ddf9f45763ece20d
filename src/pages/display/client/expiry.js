// Warns that the session is about to end, with a button that keeps it. The page asks the server for the time of the end
// when a warning may be due, and at least once a minute.

import { canAct, keepUrl, stateUrl, token } from './about.js'

const LEAST = 1_000
const MOST = 60_000 // a drain of the server may bring the end forward
const SOON = 2_000 // while the banner is shown: other viewers may use the session
const FINAL = { 'session-timeout': 'its time is up', 'given-up': 'its display or browser ended too often', drain: 'the server is taken out of service' } // use does not postpone it
const NEVER = 60_000 // while no clock runs: one may start

const banner = document.getElementById('expiry')
const [text, keep] = banner.children

/** Watches for the end of the client's session. */
export function warnOfEnd (client) {
  let timer
  let hasActed = false
  let endsAt = 0
  let why = ''

  function plan (expiry) {
    const isDue = expiry?.warningInMs === 0
    banner.hidden = !isDue
    hasActed = false
    if (isDue) show(expiry)
    askIn(isDue ? SOON : Math.min(Math.max(expiry?.warningInMs ?? NEVER, LEAST), MOST))
  }

  function askIn (ms) {
    clearTimeout(timer)
    timer = setTimeout(request, ms, stateUrl)
  }

  function show ({ inMs, because }) {
    const isFinal = because in FINAL
    why = FINAL[because] ?? 'nobody uses it'
    keep.hidden = isFinal || !canAct // that end cannot be postponed, or not by this viewer
    endsAt = performance.now() + inMs
    count()
  }

  function count () {
    const seconds = Math.max(0, Math.round((endsAt - performance.now()) / 1000))
    text.textContent = `This session ends in ${seconds} s: ${why}.`
  }

  async function request (url, options) {
    try {
      const response = await fetch(url, { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(5_000), ...options })
      if (response.ok) plan((await response.json()).expiry)
      else askIn(response.status < 500 ? NEVER : SOON) // the session has ended, which connection.js shows; or the server failed
    } catch {
      askIn(SOON) // no answer: keep the present banner
    }
  }

  keep.addEventListener('click', () => {
    request(keepUrl, { method: 'POST', body: token })
    document.getElementById('pasteboard').focus()
  })
  setInterval(() => {
    if (!client.connected) banner.hidden = true // connection.js shows the state of the session
    if (!banner.hidden) count()
  }, 1_000)
  // the person's input keeps the session as well
  for (const type of ['keydown', 'pointerdown', 'wheel']) {
    addEventListener(type, ({ target }) => {
      if (banner.hidden || hasActed || banner.contains(target)) return
      hasActed = true
      askIn(LEAST) // by then, the server has counted the use
    }, { capture: true, passive: true })
  }
  askIn(LEAST)
}
