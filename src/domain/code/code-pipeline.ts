import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Problem } from '#domain/programs/problem.ts'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import type { Changes, Kept, Outcome, Reloaded, Running, Stations } from './code-stations.ts'
import { firstOfEach, isOfWorker, NO_WORKER, NOT_RELOADED, SLOW_WORKER } from './extension-problems.ts'
import { parseManifest } from './manifest.ts'
import { problemsEvent, reloadedEvent } from '#domain/live/event.ts'

const WAIT_MS = 20_000
const AGAIN_MS = 1000
const PACE_MS = 100
const OBSERVE_MS = 8000
const WORKER_MS = 1000

/** The way of one session's changed files to the browser that runs them. */
export class CodePipeline {
  readonly #stations: Stations
  readonly #syncMs: number
  readonly #ended = new AbortController()
  /** Builds and reloads; pushes at the same time share one run. */
  readonly #inTurn: () => Promise<void>
  /** The dev server's version that the browser has, and the last version that the dev server reported. */
  #loaded = 0
  #seen = 0
  /** The browser or the dev server was lost since: parts may have changed although the dev server does not report them. */
  #isUnsure = false
  #extension: Running | undefined
  #wrong: { build: Problem[], load: Problem[], run: Problem[] } = { build: [], load: [], run: [] }
  /** Earlier errors of parts that were not loaded again: Chromium has cleared them from its own list. */
  #earlier: Problem[] = []
  #told = '[]'
  #observation = new AbortController()
  /** The outcome of the last load, and of the last write. They differ when a build failed: it is not loaded. */
  #ran: Promise<Outcome> = Promise.resolve({ loaded: false, reloadMs: 0, closed: [], problems: [] })
  #outcome: Promise<Outcome> = this.#ran
  #isObserved = true
  #isWorkerUp = true
  /** Resolves when the worker of the last load has started, or after a second. A load before that would leave tabs without a worker that answers. */
  #workerReady: Promise<unknown> = Promise.resolve()
  /** Whether the errors are read after a load. Reading them costs the browser some memory. */
  #asks = true
  #requested: Promise<void> = Promise.resolve()

  /** `syncMs`: how long a build and the reload may take together. */
  constructor (stations: Stations, syncMs: number) {
    this.#stations = stations
    this.#syncMs = syncMs
    this.#inTurn = coalesce(() => this.#sync())
  }

  get problems (): Problem[] { return firstOfEach([...this.#wrong.load, ...this.#wrong.build, ...this.#wrong.run]) }
  get extensionId (): string | undefined { return this.#extension?.id }

  /**
   * Loads the extension for the first time. It reads the errors of the start only if the files are the person's own (`isOwn`).
   * @throws when the browser or the dev server cannot be reached
   */
  async begin (signal: AbortSignal, isOwn = false): Promise<void> {
    this.#asks = isOwn
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    try {
      signal.throwIfAborted()
      await Promise.race([this.sync(), aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
    this.#asks = true
    if (this.#wrong.load.includes(NOT_RELOADED)) throw new Error(NOT_RELOADED.message)
  }

  /** Goes on with the extension that an earlier server had loaded. */
  resume ({ loaded, extension, refusal, problems = [], isWorkerUp = true }: Kept): void {
    this.#isWorkerUp = isWorkerUp
    this.#loaded = this.#seen = loaded
    this.#extension = extension
    this.#wrong.load = refusal ? [refusal] : []
    this.#wrong.run = this.#earlier = problems
    this.#told = JSON.stringify(this.problems)
    this.#outcome = this.#ran = Promise.resolve({ loaded: this.#isLoaded(), reloadMs: 0, closed: [], problems: this.problems })
  }

  /** From now on, reloads after every change, by whatever means. */
  follow (): void {
    this.#follow().catch(err => this.#stations.warn(err, 'changes not followed'))
  }

  /** Builds and reloads all that was written before the call. */
  sync (): Promise<void> {
    this.#requested = this.#inTurn()
    return this.#requested
  }

  /** The outcome of all that was written before the last call of `sync`. */
  async settled (): Promise<Outcome> {
    await this.#requested
    for (;;) {
      const outcome = this.#outcome
      const result = await outcome
      if (outcome === this.#outcome) return result
    }
  }

  /** Loads the extension into a restarted browser: Chromium does not itself reload an extension that DevTools loaded. */
  async lost (): Promise<void> {
    this.#isUnsure = true
    await this.sync()
  }

  /** Reads the errors again, after Chromium has reported a change of the extension's data. */
  async heard (id: string): Promise<void> {
    if (id !== this.#extension?.id || !this.#isObserved || this.#ended.signal.aborted) return // a load reads it anyway
    const signal = AbortSignal.any([this.#ended.signal, this.#observation.signal, AbortSignal.timeout(OBSERVE_MS)])
    const run = await this.#stations.errors(id, signal)
    signal.throwIfAborted()
    this.#wrong.run = [...this.#wrong.run.filter(problem => problem === NO_WORKER), ...this.#earlier, ...run]
    this.#tellProblems()
  }

  end (): void {
    this.#ended.abort(new Error('the session is ending'))
  }

  async #sync (): Promise<void> {
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(this.#syncMs)])
    const startedAt = performance.now()
    const elapsedMs = () => Math.round(performance.now() - startedAt)
    try {
      await this.#stations.written()
      const version = this.#stations.version()
      await this.#stations.revive()
      const changes = await this.#stations.changes(this.#loaded, 0, signal)
      this.#seen = changes.version
      this.#wrong.build = changes.problems
      // the dev server was restarted after the clock was set back: all its versions are lower than the browser's
      if (changes.version < this.#loaded) this.#isUnsure = true
      if (changes.ok && (changes.changed.length > 0 || this.#isUnsure)) {
        const reloaded = await this.#reload(changes, signal)
        if (!reloaded.refusal) this.#stations.tell(reloadedEvent(reloaded, version, elapsedMs()))
        this.#ran = this.#observe(elapsedMs(), reloaded)
      }
      this.#outcome = changes.ok
        ? this.#ran.then(outcome => ({ ...outcome, problems: this.problems }))
        : Promise.resolve({ loaded: false, reloadMs: elapsedMs(), closed: [], problems: this.problems })
      this.#confirm(version, this.#outcome).catch(err => this.#stations.warn(err, 'version not confirmed'))
    } catch (err) {
      this.#isUnsure = this.#isObserved = true
      this.#wrong.load = [NOT_RELOADED]
      if (!this.#ended.signal.aborted) this.#stations.warn(err, 'code not reloaded')
      this.#outcome = Promise.resolve({ loaded: false, reloadMs: elapsedMs(), closed: [], problems: this.problems })
    }
    this.#tellProblems()
  }

  /** Tells that the browser runs the version, unless a newer one was written meanwhile: that one's files may be running. */
  async #confirm (version: number, outcome: Promise<Outcome>): Promise<void> {
    const { loaded, reloadMs } = await outcome
    if (loaded && outcome === this.#outcome && this.#stations.version() === version) this.#stations.confirm(version, reloadMs)
  }

  async #reload (changes: Changes, signal: AbortSignal): Promise<Reloaded & { pagesOnly: boolean }> {
    const isSettled = !this.#isUnsure && this.#isObserved && this.#wrong.load.length === 0
    const pagesOnly = isSettled && changes.changed.every(part => part === 'pages')
    const before = this.#extension
    if (!pagesOnly) await this.#workerReady
    this.#observation.abort()
    this.#isObserved = false // reports from now on may belong to the old load or the new one
    if (before) await this.#stations.forgetErrors(before.id, signal)
    const reloaded = await this.#stations.reload({ manifest: changes.manifest, before, pagesOnly }, signal)
    this.#loaded = changes.version
    this.#isUnsure = false
    this.#extension = reloaded.extension
    this.#wrong.load = reloaded.refusal ? [reloaded.refusal] : []
    // the problems of parts that were not reloaded remain
    this.#earlier = pagesOnly || reloaded.refusal ? this.#wrong.run.filter(({ context }) => context !== 'page') : []
    this.#keep()
    return { ...reloaded, pagesOnly }
  }

  /** Waits while the extension starts, and notes its errors. A later load ends the wait. */
  async #observe (reloadMs: number, { extension, refusal, settled, closed, oldWorkers, pagesOnly }: Reloaded & { pagesOnly: boolean }): Promise<Outcome> {
    const asks = this.#asks
    this.#isObserved = false
    this.#observation = new AbortController()
    const { signal: newer } = this.#observation
    const signal = AbortSignal.any([this.#ended.signal, newer, AbortSignal.timeout(OBSERVE_MS)])
    try {
      const isNew = extension && !refusal && !pagesOnly && extension.manifest !== undefined && parseManifest(extension.manifest).hasWorker
      const starting = isNew ? this.#stations.workerSettled(extension.id, oldWorkers, asks, signal) : Promise.resolve(undefined)
      this.#workerReady = Promise.race([starting.catch(() => {}), delay(WORKER_MS, undefined, { ref: false })])
      const [worker] = await Promise.all([starting, asks && settled])
      if (extension && asks) {
        const run = [...this.#earlier, ...await this.#stations.errors(extension.id, signal)]
        signal.throwIfAborted()
        if (!pagesOnly && !refusal) this.#isWorkerUp = !isNew || worker === 'started'
        if (worker === 'failed' && !run.some(isOfWorker)) run.unshift(NO_WORKER)
        if (worker === 'slow' && !run.some(isOfWorker)) run.push(SLOW_WORKER)
        this.#wrong.run = run
        await this.#stations.listen(signal)
      }
    } catch (err) {
      if (!newer.aborted && !this.#ended.signal.aborted) this.#stations.warn(err, 'extension not observed')
    }
    if (!newer.aborted) {
      this.#isObserved = true
      this.#keep()
      this.#tellProblems()
    }
    return { loaded: this.#isLoaded(), reloadMs, closed, problems: this.problems }
  }

  /** Tells whether the browser runs the present extension, its worker included. */
  #isLoaded (): boolean {
    return this.#extension !== undefined && this.#wrong.load.length === 0 && this.#isWorkerUp
  }

  #keep (): void {
    this.#stations.keep({ loaded: this.#loaded, extension: this.#extension, refusal: this.#wrong.load[0], problems: this.#wrong.run, isWorkerUp: this.#isWorkerUp })
  }

  async #follow (): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      try {
        const askedAt = performance.now()
        const { version, problems } = await this.#stations.changes(this.#seen, WAIT_MS, signal)
        const isNews = version !== this.#seen || JSON.stringify(problems) !== JSON.stringify(this.#wrong.build)
        if (isNews) await this.sync()
        // slow down for sources that change without end, and for a dev server that does not wait
        const pauseMs = isNews ? PACE_MS : performance.now() - askedAt < WAIT_MS / 2 ? AGAIN_MS : 0
        if (pauseMs > 0) await delay(pauseMs, undefined, { signal, ref: false })
      } catch {
        await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {}) // the supervision reports a dev server that is down
      }
    }
  }

  #tellProblems (): void {
    const text = JSON.stringify(this.problems)
    if (text === this.#told || this.#ended.signal.aborted) return
    this.#told = text
    this.#stations.tell(problemsEvent(this.problems))
  }
}
