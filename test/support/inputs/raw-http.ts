import { connect } from 'node:net'

/** An answer as it came over the wire. */
export interface RawAnswer { status: number, headers: Record<string, string>, body: string }

export interface RawExchange {
  answers: RawAnswer[]
  /** What came after the last whole answer. */
  rest: string
}

export interface ExchangeOptions {
  /** Answers to wait for before this side is ended, and 100 ms more for one too many. With `Infinity` the server has to close. */
  answers: number
  /** How long all of it may take. */
  ms?: number
}

/** Sends these bytes on a connection of their own, each piece as a segment, and reads until the connection is closed. */
export async function exchange (url: string, pieces: readonly (string | Buffer)[], { answers, ms = 15_000 }: ExchangeOptions): Promise<RawExchange> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let text = ''
  let ending: NodeJS.Timeout | undefined
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    if (parseAnswers(text).answers.length >= answers) ending ??= setTimeout(() => socket.end(), 100)
  })
  socket.on('error', () => {}) // the server may break it off
  socket.on('end', () => socket.destroy()).on('close', () => resolve())
  const timer = setTimeout(() => { reject(new Error(`not closed within ${ms} ms, after ${text.slice(0, 200)}`)); socket.destroy() }, ms)
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await new Promise(resolve => setImmediate(resolve))
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
  }
  if (answers === 0) socket.end()
  await promise.finally(() => { clearTimeout(timer); clearTimeout(ending) })
  return parseAnswers(text)
}

function parseAnswers (text: string): RawExchange {
  const answers: RawAnswer[] = []
  let rest = text
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    const [first = '', ...lines] = rest.slice(0, Math.max(end, 0)).split('\r\n')
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]
    if (!status) return { answers, rest }
    const headers = Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const { body, length } = readBody(rest.slice(end + 4), headers, Number(status))
    answers.push({ status: Number(status), headers, body })
    rest = rest.slice(end + 4 + length)
  }
}

/** The body, and how long it is on the wire. */
function readBody (text: string, headers: Record<string, string>, status: number): { body: string, length: number } {
  if (status < 200 || status === 204 || status === 304) return { body: '', length: 0 }
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? text.length)
    return { body: text.slice(0, length), length }
  }
  let body = ''
  for (let at = 0; ;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(text.slice(at))
    if (!line) return { body, length: text.length } // broken off
    const size = parseInt(line[1]!, 16)
    at += line[0].length
    body += text.slice(at, at + size)
    at += size + 2
    if (size === 0) return { body, length: at }
  }
}
