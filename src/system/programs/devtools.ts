import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import WebSocket from 'ws'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { loopbackJson } from '#system/kernel/loopback-json.ts'

const Version = Type.Object({ webSocketDebuggerUrl: Type.String({ pattern: '^ws://[^/]+/devtools/browser/[0-9a-f-]+$' }) })
const MAX_BYTES = 2 * 1024 * 1024

/** Opens a DevTools connection to the browser. */
export async function connectDevTools (port: number, signal: AbortSignal): Promise<DevTools> {
  const { webSocketDebuggerUrl } = Value.Decode(Version, await loopbackJson(port, '/json/version', { maxBytes: MAX_BYTES, signal }))
  // use only its path: the host and port are ours
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

/** An event from DevTools. `sessionId` names the attached target that it concerns. */
export interface DevToolsEvent { method: string, params: Record<string, unknown>, sessionId?: string }

/** A message of the protocol. */
const Message = Type.Object({
  id: Type.Optional(Type.Integer()),
  method: Type.Optional(Type.String()),
  params: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  sessionId: Type.Optional(Type.String()),
  result: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  error: Type.Optional(Type.Object({ message: Type.String() }))
})
type Message = Static<typeof Message>

/** The browser refused a command. The message is the browser's. */
export class DevToolsRefused extends Error {
  override readonly name = 'DevToolsRefused'
}

interface Waiting extends PromiseWithResolvers<Record<string, unknown>> { sessionId: string | undefined }

/** A DevTools connection: commands, their answers, and events. */
export class DevTools {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Listeners<[DevToolsEvent]>()
  #lastId = 0

  constructor (socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => this.#receive(data.toString()))
    socket.on('close', () => this.#fail(new Error('DevTools closed the connection')))
    socket.on('error', cause => this.#fail(new Error('the DevTools connection failed', { cause })))
  }

  get isOpen (): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  /** Sends a command, to the browser or to an attached target, and resolves with its result. */
  async send (method: string, params: object, { sessionId, signal }: { sessionId?: string, signal: AbortSignal }): Promise<Record<string, unknown>> {
    signal.throwIfAborted()
    if (!this.isOpen) throw new Error('the DevTools connection is closed')
    const id = ++this.#lastId
    const answer = { ...Promise.withResolvers<Record<string, unknown>>(), sessionId }
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

  /** Calls `listener` with every event until the returned function is called. */
  listen (listener: (event: DevToolsEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  close (): void {
    this.#socket.terminate()
  }

  #receive (text: string): void {
    const message = parseMessage(text)
    if (!message) {
      this.#fail(new Error('DevTools sent a malformed message'))
      return this.#socket.terminate()
    }
    if (message.id === undefined) return this.#tell(message)
    const answer = this.#waiting.get(message.id)
    if (!answer) return // its caller has given up
    if (message.error) answer.reject(new DevToolsRefused(message.error.message.slice(0, 1000)))
    else answer.resolve(message.result ?? {})
  }

  #tell ({ method, params = {}, sessionId }: Message): void {
    if (method === undefined) return
    const event = { method, params, ...(sessionId !== undefined && { sessionId }) }
    // commands to a closed target get no answer
    if (method === 'Target.detachedFromTarget' && typeof params.sessionId === 'string') this.#fail(new Error('the target has gone'), params.sessionId)
    this.#listeners.tell(event)
  }

  /** Rejects all commands that wait for an answer, or those to one attached target. */
  #fail (error: Error, sessionId?: string): void {
    for (const answer of this.#waiting.values()) {
      if (sessionId === undefined || answer.sessionId === sessionId) answer.reject(error)
    }
  }
}

/** A message of the protocol; undefined when it is malformed: any program of the session may listen on the port. */
function parseMessage (text: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(text)
    return Value.Check(Message, message) ? message : undefined
  } catch {
    return undefined // not JSON
  }
}
