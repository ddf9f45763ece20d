import { setTimeout as delay } from 'node:timers/promises'
import type { DevTools, Tab, Target } from '#support/display/devtools.ts'
import { hasWorker, pagesOf, type Folder } from './extension-cases.ts'
import { FILES_OF, IN_PAGE, IN_SITE, IN_WORKER, SITE_PAGES } from './looking-expressions.ts'
import { eventually } from '#support/servers/server.ts'

/** What two browsers that treat an extension alike have in common: nothing in it depends on ids, paths and times. */
export interface Observation {
  /** How many unpacked extensions there are. */
  loaded: number
  /** Its name, its state, and what chrome://extensions says is wrong with it. */
  extension: unknown
  /** Of the service worker, its file and the values of its globals. */
  worker: unknown
  /** Of each file, what a page of the extension gets when it fetches it. */
  files: unknown
  /** Of each page of the extension, what a person sees. */
  pages: Record<string, unknown>
  /** Of each page of the web, what the extension has done to it. */
  sites: Record<string, unknown>
  /** Of each question of the case, the answer. */
  answers: Record<string, unknown>
}

/** More pages of one extension are not opened. */
const MAX_PAGES = 6
const START_MS = 1500
const OPEN_MS = 5000
const READ_MS = 10_000
const WORKER_MS = 2000
const ATTEMPTS = 3

interface ExtensionInfo {
  name: string,
  version: string,
  description: string,
  state: string,
  type: string
  manifestErrors: { message: string }[]
  runtimeErrors: { severity: string, message: string, source: string, stackTrace?: { lineNumber: number, columnNumber: number }[] }[]
  permissions: { simplePermissions: { message: string }[] }
}

/** Looks at the extension that a browser has loaded. One of these is enough for many extensions, one after the other. */
export class ExtensionWatch {
  readonly #devTools: DevTools
  /** Has the API of chrome://extensions, where Chromium tells what it has loaded, and not that page's weight. */
  readonly #inside: Tab
  /** Tabs for pages of the web, used again for each extension. */
  readonly #siteTabs = new Map<string, Tab>()
  #pages = new Map<string, Tab>()
  #sites = new Map<string, Tab>()
  #workers = new Map<string, Promise<Tab>>()
  #files: unknown
  #id = ''
  #path = ''
  #ask: Record<string, string> = {}

  private constructor (devTools: DevTools, inside: Tab) {
    this.#devTools = devTools
    this.#inside = inside
  }

  static async start (devTools: DevTools): Promise<ExtensionWatch> {
    devTools.listen(({ method, params, sessionId }) => {
      if (method !== 'Fetch.requestPaused' || sessionId !== undefined) return
      const { requestId, request } = params as { requestId: string, request: { url: string } }
      const body = SITE_PAGES[new URL(request.url).host]
      devTools.send('Fetch.fulfillRequest', {
        requestId,
        responseCode: body && new URL(request.url).pathname === '/' ? 200 : 404,
        responseHeaders: [{ name: 'content-type', value: 'text/html; charset=utf-8' }],
        body: Buffer.from(body ?? '').toString('base64')
      }).catch(() => {}) // the page was left meanwhile
    })
    await devTools.send('Fetch.enable', { patterns: Object.keys(SITE_PAGES).map(host => ({ urlPattern: `*://${host}/*` })) })
    const inside = await devTools.openTab()
    await inside.send('Page.navigate', { url: 'chrome://extensions/strings.m.js' })
    await eventually('chrome://extensions', () => inside.evaluate('typeof chrome.developerPrivate === "object"'), 30_000)
    return new ExtensionWatch(devTools, inside)
  }

  /** The ids of all unpacked extensions. */
  async ids (): Promise<string[]> {
    const { extensions } = await this.#devTools.send('Extensions.getExtensions') as { extensions: { id: string, path?: string }[] }
    return extensions.map(({ id }) => id)
  }

  /**
   * Opens what there is to see of an extension in a folder: its pages, and pages of the web on which it may act. Its
   * worker has started or failed then.
   */
  async open (id: string, path: string, folder: Folder, { ask = {}, sites = [] }: { ask?: Record<string, string>, sites?: string[] } = {}): Promise<void> {
    this.#id = id
    this.#path = path
    this.#ask = ask
    await Promise.all([
      this.#readFiles([...folder.keys()]),
      ...pagesOf(folder).slice(0, MAX_PAGES).map(async page => this.#pages.set(page, await this.#openPage(page))),
      ...sites.map(site => this.#openSite(site)),
      hasWorker(folder) && this.#workerStarted()
    ])
  }

  /** What is seen now. */
  async read (): Promise<Observation> {
    const [ids, extension, worker, pages, sites, answers] = await within(READ_MS, Promise.all([
      this.ids(), this.#readExtension(), this.#readWorker(), readTabs(this.#pages, IN_PAGE), readTabs(this.#sites, IN_SITE), this.#readAnswers()
    ]))
    return this.#withoutNames({ loaded: ids.length, extension, worker, files: this.#files, pages, sites, answers })
  }

  /** Closes the extension's pages and leaves those of the web. */
  async close (): Promise<void> {
    await Promise.all([
      ...(await this.#targets('page')).map(({ targetId }) => this.#devTools.send('Target.closeTarget', { targetId })),
      // otherwise it would keep the next worker from taking over
      ...[...this.#workers.values()].map(worker => this.#detach(worker).catch(() => {})), // it has ended
      ...[...this.#sites.values()].map(tab => tab.send('Page.navigate', { url: 'about:blank' }))
    ])
    this.#pages = new Map()
    this.#sites = new Map()
    this.#workers = new Map()
  }

  /** Has chrome://extensions forget the errors that it has noted, as a person does before a change. */
  async forgetErrors (): Promise<void> {
    for (const id of await this.ids()) await evaluate(this.#inside, `chrome.developerPrivate.deleteExtensionErrors({ extensionId: '${id}' })`)
  }

  async #detach (worker: Promise<Tab>): Promise<void> {
    await this.#devTools.send('Target.detachFromTarget', { sessionId: (await worker).sessionId })
  }

  async #openPage (path: string): Promise<Tab> {
    const tab = await this.#devTools.openTab(`chrome-extension://${this.#id}/${encodePath(path)}`)
    const isThere = () => tab.evaluate('location.href !== "about:blank" && document.readyState === "complete"')
    await eventually(path, isThere, OPEN_MS).catch(() => {}) // one that waits for a server is looked at as it is
    return tab
  }

  async #openSite (url: string): Promise<void> {
    const tab = this.#siteTabs.get(url) ?? await this.#devTools.openTab()
    this.#siteTabs.set(url, tab)
    this.#sites.set(url, tab)
    await tab.send('Page.navigate', { url })
    await evaluate(tab, 'document.readyState === "complete" || new Promise(resolve => addEventListener("load", resolve))')
  }

  async #readFiles (paths: string[]): Promise<void> {
    const tab = await this.#openPage('manifest.json')
    this.#files = await evaluate(tab, `(${FILES_OF})(${JSON.stringify(paths)}, ${JSON.stringify(paths.map(encodePath))}, '${this.#id}')`)
  }

  async #info (): Promise<ExtensionInfo | null> {
    return await evaluate(this.#inside, `chrome.developerPrivate.getExtensionInfo('${this.#id}').catch(() => null)`) as ExtensionInfo | null
  }

  async #readExtension (): Promise<unknown> {
    const info = await this.#info()
    if (!info) return 'not listed' // a theme
    const { name, version, description, state, type, manifestErrors, runtimeErrors, permissions } = info
    const errors = runtimeErrors.map(({ severity, message, source, stackTrace }) => `${severity} ${message} (${source}:${stackTrace?.[0]?.lineNumber ?? 0})`)
    return {
      name,
      version,
      description,
      state,
      type,
      manifestErrors: manifestErrors.map(({ message }) => message).sort(),
      runtimeErrors: [...new Set(errors)].sort(),
      permissions: permissions.simplePermissions.map(({ message }) => message).sort()
    }
  }

  /** The targets of the extension. */
  async #targets (type: string): Promise<Target[]> {
    return (await this.#devTools.targets()).filter(target => target.type === type && target.url.startsWith(`chrome-extension://${this.#id}/`))
  }

  async #worker (): Promise<Tab | undefined> {
    const [found] = await this.#targets('service_worker')
    // one that failed stays for as long as DevTools is attached to it
    if (!found || (await this.#info())?.manifestErrors.some(({ message }) => message.startsWith('Service worker registration failed'))) return undefined
    const worker = this.#workers.get(found.targetId) ?? this.#devTools.attach(found.targetId)
    this.#workers.set(found.targetId, worker)
    return worker
  }

  async #workerStarted (): Promise<void> {
    const deadline = performance.now() + START_MS
    while ((await this.#targets('service_worker')).length === 0 && !(await this.#info())?.runtimeErrors.length && performance.now() < deadline) await delay(20)
  }

  async #readWorker (): Promise<unknown> {
    try {
      return await this.#inWorker(IN_WORKER) ?? null
    } catch {
      return null // it ended meanwhile
    }
  }

  /** The value of an expression in the worker; undefined where there is none. One that is being replaced may never answer: the next is asked. */
  async #inWorker (expression: string): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const worker = await this.#worker()
      try {
        return worker && await within(WORKER_MS, evaluate(worker, expression))
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
        this.#workers.clear()
      }
    }
  }

  async #readAnswers (): Promise<Record<string, unknown>> {
    const answers: Record<string, unknown> = {}
    for (const [where, expression] of Object.entries(this.#ask)) {
      const tab = this.#pages.get(where) ?? this.#sites.get(where)
      answers[where] = where === 'worker' ? await this.#inWorker(expression) : tab && await evaluate(tab, expression)
    }
    return answers
  }

  #withoutNames <T>(value: T): T {
    return JSON.parse(JSON.stringify(value).replaceAll(this.#id, 'ID').replaceAll(this.#path, 'FOLDER')) as T
  }
}

async function readTabs (tabs: Map<string, Tab>, expression: string): Promise<Record<string, unknown>> {
  return Object.fromEntries(await Promise.all([...tabs].map(async ([name, tab]) => [name, await evaluate(tab, expression)])))
}

/** The value of an expression, or what it throws. */
async function evaluate (tab: Tab, expression: string): Promise<unknown> {
  const { result, exceptionDetails } = await tab.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true, userGesture: true }) as {
    result: { value?: unknown, description?: string }, exceptionDetails?: unknown
  }
  return exceptionDetails ? { thrown: result.description?.split('\n')[0] ?? result.value } : result.value
}

async function within<T> (ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`the browser did not answer within ${ms} ms`)), ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function encodePath (path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
