// Detects a lost connection, whatever the cause, and reloads the page (for a new ticket) once the session's display
// answers. Until then, the last picture stays on the screen.

import { renewal, renewUrl, stateUrl } from './about.js'
import { offerRecovery } from './recovery.js'

const SILENCE = 20_000 // the client pings the server every 5 s, and the server must answer
const PROBE = 6_000 // time for an answer after sleep, or when the network is back
const TICK = 2_000
const STABLE = 10_000
const RETRY = [250, 250, 500, 500, 500, 1_000]
const BACK_OFF = [0, 1_000, 3_000, 8_000, 15_000]

// The server closes the connection with this code when the session ends; the reason is one of those below.
const SESSION_ENDED = 4410
const ENDED = 'This session has ended'
const WHY = {
  idle: 'nobody used it',
  'never-used': 'nobody used it',
  expired: 'its time is up',
  evicted: 'its user created another one, and this was the oldest',
  crashed: 'it crashed',
  shutdown: 'the server was stopped',
  drained: 'the server is taken out of service',
  killed: 'an administrator ended it',
  violation: 'an administrator ended it'
}

/**
 * Watches the client's connection. `show(text, look)` shows a status to the person.
 * Returns { follow, heard, established, lost }: call `follow` with the socket, `heard` for each packet, `established` after the
 * session's hello, and `lost` when the connection ends.
 */
export function watchConnection (client, show) {
  let deadline = Date.now() + SILENCE
  let lastTick = Date.now()
  let isLost = false

  const heard = () => { deadline = Date.now() + SILENCE }
  const probe = () => {
    if (isLost) return
    deadline = Math.min(deadline, Date.now() + PROBE)
    if (client.connected) client._send_ping()
  }
  const timer = setInterval(() => {
    const elapsed = Date.now() - lastTick
    const late = elapsed > 3 * TICK || elapsed < 0
    lastTick = Date.now()
    // A late tick means sleep or a throttled background tab, and one in the past means that the clock was set back: then the
    // silence proves nothing before a new ping.
    if (late) { deadline = Date.now() + PROBE; probe() } else if (Date.now() > deadline) lost()
  }, TICK)

  function stop () {
    isLost = true
    clearInterval(timer)
    stopClient(client)
  }

  function lost () {
    if (isLost) return
    stop()
    comeBack(show)
  }

  /** The client's own listener learns only that the connection is gone. */
  function follow (socket) {
    const { onclose } = socket
    socket.onclose = event => {
      if (isLost || event.code !== SESSION_ENDED) return onclose(event)
      stop()
      show(`${endedBecause(event.reason)}.`, 'veil')
      offerRecovery()
    }
  }

  addEventListener('online', probe)
  addEventListener('pageshow', event => { if (event.persisted) probe() })
  document.addEventListener('visibilitychange', () => { if (!document.hidden) probe() })
  return { follow, heard, lost, established: () => setTimeout(() => { if (!isLost) rememberFailures(0) }, STABLE) }
}

function stopClient (client) {
  client.connected = false
  client.clear_timers()
  try {
    client.protocol?.close()
  } catch {}
  client.protocol = null
}

async function comeBack (show) {
  const failures = recallFailures()
  show('Reconnecting…', 'veil')
  await pause(BACK_OFF[Math.min(failures, BACK_OFF.length - 1)], { early: false })
  for (let attempt = 0; ; attempt++) {
    const { state, over, address } = await askState()
    if (over) {
      offerRecovery()
      return show(`${over}.`, 'veil')
    }
    if (state === 'up') return load(address, failures)
    show(state === 'creating' ? 'The session is starting…' : 'Reconnecting…', 'veil')
    await pause(RETRY[Math.min(attempt, RETRY.length - 1)], { early: true })
  }
}

function load (address, failures) {
  rememberFailures(failures + 1)
  if (address === undefined) location.reload()
  else location.replace(address)
}

/** The session's state, or the reason why it is over, and the page's next address if that is a new one. */
async function askState () {
  try {
    const response = await fetch(stateUrl, { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(5_000) })
    const { code, state, display, reason } = await response.json()
    if (response.status === 404) return { over: code === 'EX10_SHARE_NOT_FOUND' ? 'This link has ended' : ENDED }
    if (response.status === 401 && renewal) return { over: 'The login or key that opened this page has ended' }
    if (response.status === 401) return { state: 'up' } // the reloaded page asks for a login if one is needed
    if (display) return { state: 'up', address: await nextAddress() }
    if (state === 'ended' || state === 'failed') return { over: endedBecause(reason) }
    return { state }
  } catch {
    return {} // the server was not reached
  }
}

/** The address in place of one that expires. */
async function nextAddress () {
  if (renewal === undefined) return undefined
  const response = await fetch(renewUrl, { method: 'POST', body: renewal, credentials: 'omit', signal: AbortSignal.timeout(5_000) })
  if (!response.ok) throw new Error(`no new address: ${response.status}`)
  return `${location.pathname}?token=${(await response.json()).token}`
}

function endedBecause (reason) {
  return Object.hasOwn(WHY, reason) ? `${ENDED}: ${WHY[reason]}` : ENDED
}

/** Waits for this time; with `early`, at most until the network or the person is back. */
function pause (milliseconds, { early }) {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      document.removeEventListener('visibilitychange', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    if (!early) return
    addEventListener('online', done)
    document.addEventListener('visibilitychange', done)
  })
}

// The number of failed loads of the page in a row is kept in the window's name: an opaque origin has no storage, and its
// history state does not survive a reload. A name that the embedding page gave is kept in front.
const MARK = / ?ex10-failures=(\d{1,3})$/

function recallFailures () {
  return Number(MARK.exec(window.name)?.[1] ?? 0)
}

function rememberFailures (failures) {
  const name = window.name.replace(MARK, '')
  window.name = failures === 0 ? name : `${name} ex10-failures=${Math.min(failures, 999)}`
}
