import type { Test } from 'tap'
import { extensionId } from '#domain/programs/extension-id.ts'
import { inside } from '#support/sandbox.ts'
import { eventually, type CreatedSession, type Server } from '#support/servers/server.ts'

type Params = Record<string, unknown>
export interface Target { targetId: string, type: string, url: string, title: string }
interface Waiting { resolve: (result: Params) => void, reject: (error: Error) => void, sessionId?: string | undefined }
interface Message { id?: number, method?: string, params?: Params, sessionId?: string, result?: Params, error?: { message: string } }

const ANSWER_MS = 30_000

/** One DevTools connection to a session's browser, from root, for as long as the test runs. */
export class DevTools {
  readonly extensionId: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #heard = new Set<(message: Message) => void>()
  #lastId = 0

  constructor (socket: WebSocket, extensionId: string) {
    this.extensionId = extensionId
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as Message))
    socket.addEventListener('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('DevTools closed the connection'))
    })
  }

  async send (method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Params>()
    const timer = setTimeout(() => reject(new Error(`DevTools did not answer ${method} in ${ANSWER_MS} ms`)), ANSWER_MS)
    this.#waiting.set(id, { resolve, reject, sessionId })
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(id)
    })
  }

  listen (hear: (message: Message) => void): void {
    this.#heard.add(hear)
  }

  async targets (): Promise<Target[]> {
    return (await this.send('Target.getTargets')).targetInfos as Target[]
  }

  async browserPid (): Promise<number> {
    const processes = (await this.send('SystemInfo.getProcessInfo')).processInfo as { type: string, id: number }[]
    return processes.find(({ type }) => type === 'browser')?.id ?? 0
  }

  /** The tab that is open since the session began. */
  async firstTab (): Promise<Tab> {
    const target = await eventually('the first tab', async () => (await this.targets()).find(({ type }) => type === 'page'), 30_000)
    return this.attach(target.targetId)
  }

  async attach (targetId: string): Promise<Tab> {
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    return new Tab(this, targetId, String(sessionId))
  }

  async openTab (url = 'about:blank'): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url })
    return this.attach(String(targetId))
  }

  /** Opens the extension's popup as a person does: by its button, beside the tab that shows `url`. It comes within `ms`, or not at all. */
  async openPopup (url: string, ms = 30_000): Promise<Tab> {
    const tab = await eventually(`the tab of ${url}`, async () => {
      const { targetInfos } = await this.send('Target.getTargets', { filter: [{ type: 'tab' }] }) as { targetInfos: Target[] }
      return targetInfos.find(target => target.url === url)
    }, 30_000)
    await this.send('Extensions.triggerAction', { id: this.extensionId, targetId: tab.targetId })
    const { targetId } = await eventually('the popup', async () => (await this.targets()).find(({ url }) => url.endsWith('/popup.html')), ms)
    return this.attach(targetId)
  }

  close (): void {
    this.#socket.close()
  }

  /** Of a target that has closed no answer comes any more. */
  #forget (sessionId: string): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.sessionId === sessionId) waiting.reject(new Error('DevTools: the target has closed'))
    }
  }

  #receive (message: Message): void {
    if (message.id === undefined) {
      if (message.method === 'Target.detachedFromTarget') this.#forget(String(message.params?.sessionId))
      for (const hear of this.#heard) hear(message)
      return
    }
    const answer = this.#waiting.get(message.id)
    if (message.error) answer?.reject(new Error(`DevTools: ${message.error.message}`))
    else answer?.resolve(message.result ?? {})
  }
}

/** A tab of the session's browser. */
export class Tab {
  readonly targetId: string
  readonly sessionId: string
  readonly #devTools: DevTools
  #pages: Map<string, { html: string, held: Promise<unknown> }> | undefined

  constructor (devTools: DevTools, targetId: string, sessionId: string) {
    this.#devTools = devTools
    this.targetId = targetId
    this.sessionId = sessionId
  }

  send (method: string, params: Params = {}): Promise<Params> {
    return this.#devTools.send(method, params, this.sessionId)
  }

  /** The value of an expression in the page's own world; undefined while a page is being loaded. */
  async evaluate (expression: string): Promise<unknown> {
    try {
      const { result } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
      return (result as { value?: unknown }).value
    } catch (error) {
      if (/context|navigated/i.test((error as Error).message)) return undefined
      throw error
    }
  }

  /** Opens a page of the web that exists on no network: DevTools answers for its server, here and at every reload; not before `held`. */
  async visit (url: string, html: string, held: Promise<unknown> = Promise.resolve()): Promise<void> {
    await this.#answer()
    this.#pages!.set(url, { html, held })
    await this.send('Page.navigate', { url })
    await eventually(`${url} is open`, () => this.evaluate(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`), 30_000)
  }

  async #answer (): Promise<void> {
    if (this.#pages) return
    const pages = this.#pages = new Map<string, { html: string, held: Promise<unknown> }>()
    this.#devTools.listen(({ method, params, sessionId }) => {
      if (method !== 'Fetch.requestPaused' || sessionId !== this.sessionId) return
      const { requestId, request } = params as { requestId: string, request: { url: string } }
      const { html, held } = pages.get(request.url) ?? {}
      const answer = () => this.send('Fetch.fulfillRequest', {
        requestId,
        responseCode: html === undefined ? 404 : 200,
        responseHeaders: [{ name: 'content-type', value: 'text/html; charset=utf-8' }],
        body: Buffer.from(html ?? '').toString('base64')
      })
      Promise.resolve(held).then(answer).catch(() => {}) // the page was left meanwhile
    })
    await this.send('Fetch.enable', { patterns: [{ urlPattern: '*://*.test/*' }] })
  }
}

/** Connects to the DevTools of the session's browser; `folder` is what it loads, below the home. */
export async function openDevTools (t: Test, server: Server, session: CreatedSession, folder = 'extension'): Promise<DevTools> {
  const { slot: { devToolsPort }, account } = (await inside(t, server, session)).facts
  const { webSocketDebuggerUrl } = await (await fetch(`http://127.0.0.1:${devToolsPort}/json/version`)).json() as { webSocketDebuggerUrl: string }
  const socket = new WebSocket(webSocketDebuggerUrl)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.addEventListener('open', () => resolve())
  socket.addEventListener('error', () => reject(new Error('DevTools refused the connection')))
  await promise
  const devTools = new DevTools(socket, extensionId(`${account.home}/${folder}`))
  t.teardown(() => devTools.close())
  return devTools
}
