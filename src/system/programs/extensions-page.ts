import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { ExtensionInfo, MAX_ERRORS } from '#domain/code/extension-problems.ts'
import type { DevTools, DevToolsEvent } from './devtools.ts'
import { until } from '#system/kernel/processes.ts'

/** This page has the API of chrome://extensions, without its weight. */
const ADDRESS = 'chrome://extensions/strings.m.js'
const BINDING = 'ex10Note'
const OPEN_MS = 5000
const ASK_MS = 2000

const Created = Type.Object({ targetId: Type.String() })
const Attached = Type.Object({ sessionId: Type.String() })
const Evaluated = Type.Object({ result: Type.Object({ value: Type.Optional(Type.Unknown()) }) })
const Note = Type.Object({ name: Type.Literal(BINDING), payload: Type.String({ maxLength: 200 }) })
/** Limits long lists: an extension may have any number of errors. */
const READ = `.then(info => JSON.stringify({
  id: info.id, path: info.path,
  manifestErrors: info.manifestErrors.slice(0, ${MAX_ERRORS}),
  runtimeErrors: info.runtimeErrors.slice(0, ${MAX_ERRORS}).map(error => ({ ...error, stackTrace: error.stackTrace.slice(0, 20) })),
  installWarnings: info.installWarnings.slice(0, ${MAX_ERRORS}),
  views: info.views.slice(0, ${MAX_ERRORS})
}))`

/**
 * A hidden page of the browser that may use chrome.developerPrivate (developer.chrome.com has no documentation of it; its
 * definition is chrome/common/extensions/api/developer_private.idl). It lives as long as its DevTools connection.
 */
export class ExtensionsPage {
  readonly #devTools: DevTools
  readonly #sessionId: string
  #isOpen = true

  /** Opens the page. While it listens, it calls `changed` with the id of each extension whose state or errors change. */
  static async open (devTools: DevTools, changed: (id: string) => void, outer: AbortSignal): Promise<ExtensionsPage> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(OPEN_MS)])
    const { targetId } = Value.Decode(Created, await devTools.send('Target.createTarget', { url: ADDRESS, hidden: true }, { signal }))
    const { sessionId } = Value.Decode(Attached, await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal }))
    const page = new ExtensionsPage(devTools, sessionId)
    const stop = devTools.listen(event => {
      const note = noteOf(event, sessionId)
      if (note !== undefined) changed(note)
      const isGone = event.method === 'Target.detachedFromTarget' && event.params.sessionId === sessionId
      const hasCrashed = event.method === 'Inspector.targetCrashed' && event.sessionId === sessionId
      if (!isGone && !hasCrashed) return
      page.#isOpen = false
      stop()
    })
    await devTools.send('Runtime.addBinding', { name: BINDING }, { sessionId, signal })
    await until(async () => await page.#evaluate(`location.href === '${ADDRESS}' && Boolean(chrome.developerPrivate)`, signal).catch(() => false) === true, signal, 5)
    await page.#evaluate(`globalThis.noteChange = event => ${BINDING}(event.item_id)`, signal)
    return page
  }

  /** Tells whether the page is open. It closes with its connection, and when its renderer dies. */
  get isOpen (): boolean {
    return this.#isOpen && this.#devTools.isOpen
  }

  private constructor (devTools: DevTools, sessionId: string) {
    this.#devTools = devTools
    this.#sessionId = sessionId
  }

  /** Chromium's data of the extension. */
  async info (id: string, signal: AbortSignal): Promise<ExtensionInfo> {
    const text = await this.#evaluate(`chrome.developerPrivate.getExtensionInfo('${id}')${READ}`, signal)
    return Value.Decode(ExtensionInfo, Value.Clean(ExtensionInfo, JSON.parse(String(text))))
  }

  /**
   * Clears Chromium's errors of the extension, and stops listening. With a listener, Chromium computes all data of the
   * extension at each of the ten changes of a load: 0.7 s each for an extension of 300 content scripts.
   */
  async forget (id: string, signal: AbortSignal): Promise<void> {
    await this.#evaluate(`chrome.developerPrivate.onItemStateChanged.removeListener(noteChange); chrome.developerPrivate.deleteExtensionErrors({ extensionId: '${id}' })`, signal)
  }

  /** Reports changes from now on. */
  async listen (signal: AbortSignal): Promise<void> {
    await this.#evaluate('chrome.developerPrivate.onItemStateChanged.addListener(noteChange)', signal)
  }

  /** Shows the extension's icon in the toolbar. */
  async pin (id: string, signal: AbortSignal): Promise<void> {
    await this.#evaluate(`chrome.developerPrivate.updateExtensionConfiguration({ extensionId: '${id}', pinnedToToolbar: true })`, signal)
  }

  async #evaluate (expression: string, outer: AbortSignal): Promise<unknown> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(ASK_MS)])
    const answer = await this.#devTools.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, { sessionId: this.#sessionId, signal })
    return Value.Decode(Evaluated, answer).result.value
  }
}

function noteOf ({ method, params, sessionId }: DevToolsEvent, own: string): string | undefined {
  if (method !== 'Runtime.bindingCalled' || sessionId !== own || !Value.Check(Note, params)) return undefined
  return params.payload
}
