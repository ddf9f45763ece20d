// The button of a page whose session has ended: it leads to the page of the person's sessions, where the session is brought back.

import { canAct, homeUrl, recoveryUrl, renewal, token } from './about.js'

const PAUSE = 1_000
const TRIES = 30 // the end of a session takes some seconds

const offer = document.getElementById('recovery')

/** Shows the button if the session can be brought back. A page in a frame has none: the home page cannot be framed. */
export async function offerRecovery () {
  if (!canAct || renewal !== undefined || window.top !== window.self) return
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = await ask()
    if (answer.token) {
      offer.hidden = false
      offer.firstElementChild.addEventListener('click', () => location.assign(`${homeUrl}#recover=${answer.token}`))
      return
    }
    if (answer.code !== undefined && answer.code !== 'EX10_NOTHING_TO_RECOVER') return // a link, or a login that has ended
    await new Promise(resolve => setTimeout(resolve, PAUSE))
  }
}

async function ask () {
  try {
    const response = await fetch(recoveryUrl, { method: 'POST', body: token, credentials: 'omit', signal: AbortSignal.timeout(5_000) })
    return await response.json()
  } catch {
    return {} // the server was not reached
  }
}
