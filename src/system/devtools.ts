import { createHash } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import WebSocket from 'ws'
import { loopbackJson } from './loopback-json.ts'
import { until } from './processes.ts'

const Target = Type.Object({ id: Type.String(), type: Type.String(), url: Type.String() })
const Targets = Type.Array(Target)
const Version = Type.Object({ webSocketDebuggerUrl: Type.String({ pattern: '^ws://[^/]+/devtools/browser/[0-9a-f-]+$' }) })
const MAX_BYTES = 4 * 1024 * 1024

/** The id that Chromium gives an unpacked extension: from its path, 32 letters a to p. */
export function extensionId (extensionDir: string): string {
  return createHash('sha256').update(extensionDir).digest('hex').slice(0, 32)
    .replace(/./g, digit => String.fromCharCode(97 + parseInt(digit, 16)))
}

/** The targets of the browser whose DevTools listens on `port`. The answer is the session's word: it is bounded and checked. */
export async function listTargets (port: number, signal: AbortSignal): Promise<Static<typeof Targets>> {
  return Value.Decode(Targets, await loopbackJson(port, '/json/list', { maxBytes: MAX_BYTES, signal }))
}

/** Resolves when the extension's service worker runs. */
export async function waitForServiceWorker (port: number, id: string, signal: AbortSignal): Promise<void> {
  await until(async () => (await listTargets(port, signal)).some(({ type, url }) => type === 'service_worker' && url.startsWith(`chrome-extension://${id}/`)), signal, 20)
}

/** Opens a DevTools connection to the browser. */
export async function connectDevTools (port: number, signal: AbortSignal): Promise<DevTools> {
  const { webSocketDebuggerUrl } = Value.Decode(Version, await loopbackJson(port, '/json/version', { maxBytes: MAX_BYTES, signal }))
  // only its path is believed: the address is ours
  const socket = new WebSocket(`ws://127.0.0.1:${port}${new URL(webSocketDebuggerUrl).pathname}`, { maxPayload: MAX_BYTES, perMessageDeflate: false })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => { socket.terminate(); reject(signal.reason) }
  signal.addEventListener('abort', abort)
  socket.on('open', resolve)
  socket.on('error', cause => reject(new Error('DevTools refused the connection', { cause })))
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
  return new DevTools(socket)
}

export interface DevToolsEvent { method?: string, params?: { targetInfo?: { type?: string, url?: string } } }

interface Message extends DevToolsEvent { id?: number, result?: Record<string, unknown>, error?: { message?: string } }

/** A DevTools connection: commands, their answers, and events. */
export class DevTools {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>()
  #lastId = 0
  #hear: (event: DevToolsEvent) => void = () => {}

  constructor (socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => this.#receive(data.toString()))
    socket.on('close', () => this.#fail(new Error('DevTools closed the connection')))
    socket.on('error', cause => this.#fail(new Error('the DevTools connection failed', { cause })))
  }

  /** Sends a command, to the browser or to an attached target, and resolves with its result. */
  async send (method: string, params: object, { sessionId, signal }: { sessionId?: string, signal: AbortSignal }): Promise<Record<string, unknown>> {
    signal.throwIfAborted()
    const id = ++this.#lastId
    const answer = Promise.withResolvers<Record<string, unknown>>()
    this.#waiting.set(id, answer)
    const abort = () => answer.reject(signal.reason)
    signal.addEventListener('abort', abort)
    try {
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
      return await answer.promise
    } finally {
      signal.removeEventListener('abort', abort)
      this.#waiting.delete(id)
    }
  }

  /** Has `hear` called with every event from now on. */
  listen (hear: (event: DevToolsEvent) => void): void {
    this.#hear = hear
  }

  close (): void {
    this.#socket.terminate()
  }

  #receive (text: string): void {
    const message = parseMessage(text)
    if (!message) {
      this.#fail(new Error('what DevTools sent makes no sense'))
      return this.#socket.terminate()
    }
    if (message.id === undefined) return this.#hear(message)
    const answer = this.#waiting.get(message.id)
    if (!answer) return // nobody waits for it any more
    if (message.error) answer.reject(new Error(`DevTools: ${String(message.error.message).slice(0, 200)}`))
    else answer.resolve(message.result ?? {})
  }

  #fail (error: Error): void {
    for (const answer of this.#waiting.values()) answer.reject(error)
  }
}

/** A message of the protocol; undefined when it is none: whoever listens on the port may send anything. */
function parseMessage (text: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(text)
    return typeof message === 'object' && message !== null ? message : undefined
  } catch {
    return undefined // no JSON
  }
}
