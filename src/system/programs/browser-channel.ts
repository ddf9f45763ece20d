import { connectDevTools, type DevTools } from './devtools.ts'
import { ExtensionsPage } from './extensions-page.ts'

const CONNECT_MS = 10_000
/** A browser without pushes need not keep the hidden page, which takes some 20 MiB; opening it costs the next push 0.2 s. */
const IDLE_MS = 15 * 60_000

/** A session's browser, as far as DevTools reaches: connected when it is used, and let go when it is not. */
export class BrowserChannel {
  readonly #port: number
  readonly #changed: (id: string) => void
  #devTools: Promise<DevTools> | undefined
  #page: Promise<ExtensionsPage> | undefined
  #idle: NodeJS.Timeout | undefined
  readonly #ended = new AbortController()

  /** `changed` hears the id of each extension whose state or errors change while the channel is open. */
  constructor (port: number, changed: (id: string) => void) {
    this.#port = port
    this.#changed = changed
  }

  /** The connection; a new one when there is none, or none any more. */
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

  /** The hidden page by which Chromium tells of its extensions. */
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

  /** Lets the browser go, until it is used again. */
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
