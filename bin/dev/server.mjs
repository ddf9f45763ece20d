// Requests to the server.

const ANSWER_MS = 60_000
/** Status codes of a proxy or the server after which a later attempt may succeed. */
const PASSING = new Set([409, 429, 502, 503, 504])

/** The server was not reached, or its answer broke off. */
export class ServerAway extends Error {
  name = 'ServerAway'
}

/** The server refused the request. `code` is an error code of Ex10, if Ex10 answered; `message` is one line for a person. */
export class NotDone extends Error {
  name = 'NotDone'

  constructor (status, { code, message, details } = {}) {
    super(oneLine(message ?? `the server answered ${status}, not in the form of Ex10`))
    this.status = status
    this.code = code
    this.details = details
  }

  /** Tells whether a later attempt may succeed. */
  get isPassing () { return PASSING.has(this.status) }
}

/** Text from the server or the session as one line that is safe for a terminal: without escapes, and of bounded length. */
export function oneLine (text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim().slice(0, 1000)
}

export class Server {
  #key

  constructor (url, key) {
    this.url = url
    this.#key = key
  }

  /**
   * The JSON of the server's answer to a request with `json` or `body`.
   * @throws {ServerAway} {NotDone}
   */
  async ask (method, path, { signal, ms = ANSWER_MS, ...sent } = {}) {
    const response = await this.#request(method, path, sent, signals(signal, AbortSignal.timeout(ms)))
    return await take(() => response.json(), signal)
  }

  /** The objects of an answer that has one JSON object a line. @throws {ServerAway} also when it ends within a line {NotDone} */
  async * lines (method, path, { signal, ...sent } = {}) {
    const response = await this.#request(method, path, sent, signal)
    let text = ''
    const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    for (let chunk = await take(() => chunks.next(), signal); !chunk.done; chunk = await take(() => chunks.next(), signal)) {
      const parts = (text + chunk.value).split('\n')
      text = parts.pop()
      for (const part of parts) yield JSON.parse(part)
    }
    if (text !== '') throw new ServerAway('the answer broke off')
  }

  async #request (method, path, { json, body, type }, signal) {
    const headers = {
      ...this.#key && { authorization: `Bearer ${this.#key}` },
      ...(json || body) && { 'content-type': type ?? 'application/json' }
    }
    const response = await take(() => fetch(this.url + path, { method, headers, body: json ? JSON.stringify(json) : body, signal, redirect: 'manual' }), signal)
    if (response.ok) return response
    const answer = await response.json().catch(() => ({}))
    throw new NotDone(response.status, answer)
  }
}

function signals (...all) {
  return AbortSignal.any(all.filter(Boolean))
}

/** Resolves with the result of `work`. Makes its errors ServerAway, except the reason of an aborted signal. */
async function take (work, signal) {
  try {
    return await work()
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw new ServerAway(oneLine(error.cause?.message || error.cause?.code || error.message), { cause: error })
  }
}
