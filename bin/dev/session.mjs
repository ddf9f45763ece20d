// The session on the server, from its creation to its end.
import { NotDone, ServerAway } from './server.mjs'
import { Refused } from './refused.mjs'

/** The event stream of a live session has a line at least every 15 s. */
const SILENCE_MS = 40_000
const PUSH_MS = 300_000
const WHY = {
  idle: 'nobody used it',
  'never-used': 'nobody used it',
  expired: 'its time was up',
  evicted: 'its user created another one, and this was the oldest',
  crashed: 'it crashed',
  shutdown: 'the server was stopped',
  killed: 'an administrator ended it',
  violation: 'an administrator ended it',
  session_idle: 'nobody used it',
  session_expired: 'its time was up',
  session_killed: 'an administrator ended it',
  security_violation: 'an administrator ended it'
}

export class Session {
  #server
  /** The time of the last received event. */
  #heardAt = ''

  constructor (server, { sessionId, url }) {
    this.#server = server
    this.id = sessionId
    this.url = new URL(url, server.url).href
  }

  /** Pushes files. With `waits`, the answer comes when the browser runs them, or cannot. @throws {ServerAway} {NotDone} {Refused} */
  async push (files, { waits, signal }) {
    return await this.#ask('POST', '/updateCode', { json: { sessionId: this.id, files, ...waits && { wait: true } }, signal, ms: PUSH_MS })
  }

  /** Writes one file, of any size that a session allows. @throws {ServerAway} {NotDone} {Refused} */
  async put (path, content, { waits, signal }) {
    return await this.#ask('PUT', `/sessions/${this.id}/files/${path.split('/').map(encodeURIComponent).join('/')}${waits ? '?wait=true' : ''}`, { body: content, type: 'application/octet-stream', signal, ms: PUSH_MS })
  }

  /** The files that the session has: hashes by path. @throws {ServerAway} {NotDone} {Refused} */
  async files (signal) {
    const { files } = await this.#ask('GET', `/sessions/${this.id}/files`, { signal })
    return new Map(files.map(({ path, hash }) => [path, hash]))
  }

  /** The session as the server shows it. @throws {ServerAway} {Refused} when it has ended */
  async look (signal) {
    return await this.#ask('GET', `/sessions/${this.id}`, { signal })
  }

  /** The events of the session, until the server goes away. @throws {ServerAway} {Refused} when the session has ended */
  async * events (signal) {
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(new ServerAway('the server does not answer')), SILENCE_MS)
    try {
      for await (const event of this.#server.lines('GET', `/sessions/${this.id}/events`, { signal: AbortSignal.any([signal, silence.signal]) })) {
        timer.refresh()
        if (event.type === 'ended') throw new Refused(endedBecause(event.reason))
        if (event.at <= this.#heardAt) continue
        this.#heardAt = event.at
        yield event
      }
    } catch (error) {
      throw await this.#orEnd(error)
    } finally {
      clearTimeout(timer)
    }
    throw new ServerAway('the server has closed the connection')
  }

  /** Ends the session. Returns false if it had ended already. @throws {ServerAway} {NotDone} */
  async end () {
    try {
      await this.#server.ask('DELETE', `/session/${this.id}`)
      return true
    } catch (error) {
      if (error.status !== 404) throw error
      return false
    }
  }

  async #ask (method, path, options) {
    try {
      return await this.#server.ask(method, path, options)
    } catch (error) {
      throw await this.#orEnd(error)
    }
  }

  /** The error, or the reason why the session can no longer be used. */
  async #orEnd (error) {
    if (!(error instanceof NotDone)) return error
    if (error.status === 401 || error.status === 403) return new Refused(error.message)
    if (error.status !== 404) return error
    const { reason } = await this.#server.ask('GET', `/sessions/${this.id}/valid`).catch(() => ({}))
    return new Refused(endedBecause(reason))
  }
}

function endedBecause (reason) {
  return Object.hasOwn(WHY, reason ?? '') ? `the session has ended: ${WHY[reason]}` : 'the session has ended'
}
