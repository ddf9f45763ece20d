import { connectDevTools, type DevTools } from './devtools.ts'
import { ExtensionsPage } from './extensions-page.ts'

const CONNECT_MS = 10_000
/** The hidden page takes some 20 MiB, so it is closed after this time without pushes. Opening it again costs the next push 0.2 s. */
const IDLE_MS = 15 * 60_000

/** The DevTools connection to a session's browser. It is opened when it is used, and closed when it is idle. */
export class BrowserChannel {
  readonly #port: number
  readonly #changed: (id: string) => void
  #devTools: Promise<DevTools> | undefined
  #page: Promise<ExtensionsPage> | undefined
  #idle: NodeJS.Timeout | undefined
  readonly #ended = new AbortController()

  /** `changed` is called with the id of each extension whose state or errors change while the channel is open. */
  constructor (port: number, changed: (id: string) => void) {
    this.#port = port
    this.#changed = changed
  }

  /** The open connection; a new one when there is none. */
  async devTools (signal: AbortSignal): Promise<DevTools> {
    for (;;) {
      this.#touch()
      const known = this.#devTools
      const open = await known?.catch(() => undefined)
      if (open?.isOpen) return open
      signal.throwIfAborted()
      if (this.#devTools !== known) continue // another caller connects
      this.#page = undefined
      this.#devTools = connectDevTools(this.#port, AbortSignal.any([AbortSignal.timeout(CONNECT_MS), this.#ended.signal]))
      return await this.#devTools
    }
  }

  /** The hidden page through which Chromium reports on its extensions. */
  async page (signal: AbortSignal): Promise<ExtensionsPage> {
    for (;;) {
      const devTools = await this.devTools(signal)
      const known = this.#page
      const open = await known?.catch(() => undefined)
      if (open?.isOpen) return open
      signal.throwIfAborted()
      if (this.#page !== known) continue // another caller opens it
      this.#page = ExtensionsPage.open(devTools, this.#changed, this.#ended.signal)
      return await this.#page
    }
  }

  /** Closes the connection until the next use. */
  release (): void {
    clearTimeout(this.#idle)
    this.#devTools?.then(devTools => devTools.close(), () => {}) // not connected
    this.#devTools = this.#page = undefined
  }

  /** Closes for good. */
  end (): void {
    this.#ended.abort(new Error('the session is ending'))
    this.release()
  }

  #touch (): void {
    this.#ended.signal.throwIfAborted()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.release(), IDLE_MS).unref()
  }
}
