// Says that the session is about to end, with a button that keeps it. When that is, the server knows: it is asked when a
// warning may be due. Whoever uses the session extends it, so it can only be later than what was said.

import { canAct, keepUrl, stateUrl, token } from './about.js'

const LEAST = 1_000
const MOST = 3_600_000
const SOON = 2_000 // while it is shown: others may have used the session
const NEVER = 60_000 // no clock runs: one may begin to

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
    const isFinal = because === 'session-timeout'
    why = isFinal ? 'its time is up' : 'nobody uses it'
    keep.hidden = isFinal || !canAct // nobody can extend that, or not this one
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
      else askIn(response.status < 500 ? NEVER : SOON) // the session is gone, and the page says so; or the server is not well
    } catch {
      askIn(SOON) // nothing new is known: what is shown stays
    }
  }

  keep.addEventListener('click', () => {
    request(keepUrl, { method: 'POST', body: token })
    document.getElementById('pasteboard').focus()
  })
  setInterval(() => {
    if (!client.connected) banner.hidden = true // the page says what has become of the session
    if (!banner.hidden) count()
  }, 1_000)
  // what the person does keeps the session as well
  for (const type of ['keydown', 'pointerdown', 'wheel']) {
    addEventListener(type, ({ target }) => {
      if (banner.hidden || hasActed || banner.contains(target)) return
      hasActed = true
      askIn(LEAST) // until then, the server has heard of it
    }, { capture: true, passive: true })
  }
  askIn(LEAST)
}
