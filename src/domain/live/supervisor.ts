import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { every } from '#domain/concurrency/every.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import { CrashLoop } from '#domain/programs/crash-loop.ts'
import type { ServiceExit } from './event.ts'
import type { Programs, SupervisorOptions } from './supervised.ts'
import { dependantsOf, PROGRAMS, type ProgramName } from '#domain/programs/programs.ts'

const LOOK_MS = 500
const INSPECT_MS = 5000
/** A program that answered last time is asked again after this many inspections: each question costs the server and the program time. */
const ASK_EVERY = 3
/** The time that a program has for its answer. It is long: a busy machine makes programs slow, and killing them does not help. */
const ANSWER_MS = 10_000
const MAX_SILENT = 3
const RECOVERY_MS = 60_000
const RETRY_MS = 20_000
const LAST_LINES = 5

/** Keeps one session's programs running, on top of the sandbox's own supervisor, and publishes events about them. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #programs: Programs
  readonly #stop = new AbortController()
  readonly #loops: Map<ProgramName, CrashLoop>
  /** The programs that are being restarted. */
  readonly #recoveries = new Map<ProgramName, { done: Promise<void>, cancel: AbortController, hurry: AbortController }>()
  readonly #givenUp = new Set<ProgramName>()
  /** The vital programs that were given up and have not answered since, whether or not they were tried again. */
  readonly #missing = new Set<ProgramName>()
  /** The programs that a restart takes down at this moment: their end is no death. */
  readonly #takenDown = new Set<ProgramName>()
  readonly #inTurn = newQueue()
  /** The number of missed answers in a row, by program. */
  readonly #silent = new Map<ProgramName, number>()
  #inspections = 0
  #seenLine: number
  #wasDegraded = false

  constructor (options: SupervisorOptions) {
    this.#options = options
    this.#programs = options.programs
    this.#loops = new Map(this.#programs.names.map(name => [name, new CrashLoop(PROGRAMS[name].crashLimit)]))
    this.#seenLine = Math.max(0, ...options.past.map(event => event.line ?? 0))
  }

  /** Begins; `stop` ends it. Works for a sandbox of an earlier server, too: it reads files and needs no child process. */
  start (): void {
    this.#every(LOOK_MS, 'exits not read', () => this.#look())
    this.#every(INSPECT_MS, 'inspection failed', () => this.#inspect())
  }

  stop (): void {
    this.#stop.abort()
  }

  /** `degraded` while a program is down or coming back. */
  async health (): Promise<'ok' | 'degraded'> {
    if (this.#recoveries.size > 0) return 'degraded'
    const areUp = await Promise.all(this.#programs.names.map(name => this.#programs.isUp(name)))
    return areUp.every(Boolean) ? 'ok' : 'degraded'
  }

  /** Restarts at once the programs that were given up or wait for their restart. Resolves when they answer, or after 20 s. */
  async retry (): Promise<void> {
    const retried = [...this.#givenUp]
    this.#givenUp.clear()
    for (const name of retried) {
      this.#loops.get(name)?.forgive()
      if (!PROGRAMS[name].needs.some(needed => retried.includes(needed))) this.#recover(name, 0)
    }
    for (const { hurry } of this.#recoveries.values()) hurry.abort()
    const waited = new AbortController()
    const all = Promise.all([...this.#recoveries.values()].map(recovery => recovery.done)).finally(() => waited.abort())
    await Promise.race([all, delay(RETRY_MS, undefined, { signal: waited.signal, ref: false }).catch(() => {})])
  }

  /** Takes these programs down and starts them again, and those that depend on them. Resolves with whether all of them answer within a minute. */
  async restart (names: readonly ProgramName[]): Promise<boolean> {
    for (const name of names) {
      this.#givenUp.delete(name)
      this.#loops.get(name)?.forgive()
      this.#recover(name, 0, true)
    }
    const done = names.map(name => this.#recoveries.get(name)?.done)
    await Promise.all(done)
    const all = [...names, ...names.flatMap(dependantsOf)].filter(name => this.#programs.names.includes(name))
    return (await Promise.all(all.map(name => this.#programs.isUp(name)))).every(Boolean)
  }

  /** Publishes an event, unless supervision has been stopped: then the session is ending. */
  #tell (event: Parameters<SupervisorOptions['tell']>[0]): void {
    if (!this.#stop.signal.aborted) this.#options.tell(event)
  }

  #every (ms: number, problem: string, work: () => Promise<void>): void {
    const { signal } = this.#stop
    const attempt = () => work().catch(err => { if (!signal.aborted) this.#options.warn(err, problem) })
    // begins in a later microtask: the caller must have the function that stops it before the first event
    Promise.resolve().then(async () => {
      if (!signal.aborted) await attempt()
      await every(ms, attempt, signal)
    }).catch(err => this.#options.warn(err, problem))
  }

  #look (): Promise<void> {
    return this.#inTurn(() => this.#lookNow())
  }

  async #lookNow (): Promise<void> {
    if (!this.#programs.isAlive()) {
      this.stop()
      return this.#options.died()
    }
    const exits = this.#programs.nextExits().filter(({ line }) => line > this.#seenLine)
    this.#seenLine = exits.at(-1)?.line ?? this.#seenLine
    for (const exit of exits) await this.#tellExit(exit)
    for (const name of new Set(exits.map(({ service }) => service))) await this.#afterDeath(name, exits)
    // reading the state of four programs costs more than everything above: without a death, only the inspection does it
    if (exits.length > 0 || this.#wasDegraded || this.#recoveries.size > 0) await this.#tellHealth()
  }

  async #tellExit ({ line, at, service, ...how }: ServiceExit): Promise<void> {
    const lastLines = await this.#programs.lastLines(service, LAST_LINES)
    this.#tell({ at, type: 'service-exited', message: `${PROGRAMS[service].title} ended: ${how.signal ?? `exit code ${how.exitCode}`}`, service, ...how, lastLines, line })
  }

  async #afterDeath (name: ProgramName, exits: ServiceExit[]): Promise<void> {
    if (this.#takenDown.has(name)) return
    if (PROGRAMS[name].needs.some(needed => this.#recoveries.has(needed) || exits.some(({ service }) => service === needed))) return // it is restarted together with the program that it needs
    const pauseMs = this.#loops.get(name)?.died(performance.now())
    if (pauseMs === undefined) await this.#giveUp(name)
    else this.#recover(name, pauseMs)
  }

  async #giveUp (name: ProgramName): Promise<void> {
    this.#recoveries.get(name)?.cancel.abort()
    this.#givenUp.add(name)
    await this.#programs.down(name, this.#stop.signal)
    this.#tell({ type: 'service-given-up', service: name, message: `${PROGRAMS[name].title} ended too often and is not started again: push code to try again, or end the session` })
    if (!PROGRAMS[name].isVital) return
    if (this.#missing.size === 0) this.#options.givenUp(true)
    this.#missing.add(name)
  }

  /** Brings a program back in the background; with `isAnew`, a running one, too. */
  #recover (name: ProgramName, pauseMs: number, isAnew = false): void {
    this.#recoveries.get(name)?.cancel.abort()
    const cancel = new AbortController()
    const hurry = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, cancel.signal])
    const done = this.#bringBack(name, pauseMs, isAnew, hurry.signal, signal).catch(err => {
      // the next inspections find a program that still does not answer
      if (!signal.aborted) this.#options.warn(err, `${name} did not come back`)
    }).finally(() => {
      if (this.#recoveries.get(name)?.cancel === cancel) this.#recoveries.delete(name)
    })
    this.#recoveries.set(name, { done, cancel, hurry })
  }

  async #bringBack (name: ProgramName, pauseMs: number, isAnew: boolean, hurry: AbortSignal, stop: AbortSignal): Promise<void> {
    if (pauseMs > 0) {
      this.#tell({ type: 'degraded', service: name, retryInMs: pauseMs, message: `${PROGRAMS[name].title} is started again in ${pauseMs / 1000} s` })
      await delay(pauseMs, undefined, { signal: AbortSignal.any([hurry, stop]), ref: false }).catch(() => stop.throwIfAborted())
    }
    const signal = AbortSignal.any([stop, AbortSignal.timeout(RECOVERY_MS)])
    const dependants = dependantsOf(name).filter(other => this.#programs.names.includes(other))
    await Promise.all(dependants.map(other => this.#programs.down(other, signal)))
    if (isAnew) await this.#takeDown(name, signal)
    for (const other of [name, ...dependants]) {
      await this.#programs.raise(other, signal)
      this.#isBack(other)
    }
    this.#silent.delete(name)
    this.#tell({ type: 'service-restarted', service: name, message: `${PROGRAMS[name].title} is back` })
  }

  /** Its exit is read before this resolves, so that it is not taken for a death later. */
  async #takeDown (name: ProgramName, signal: AbortSignal): Promise<void> {
    this.#takenDown.add(name)
    try {
      await this.#programs.down(name, signal)
      await this.#look()
    } finally {
      this.#takenDown.delete(name)
    }
  }

  /** Notes that the program answers, given up or not. */
  #isBack (name: ProgramName): void {
    this.#givenUp.delete(name)
    if (this.#missing.delete(name) && this.#missing.size === 0) this.#options.givenUp(false)
  }

  async #inspect (): Promise<void> {
    const isTurn = this.#inspections++ % ASK_EVERY === 0
    await Promise.all(this.#programs.names.map(async name => {
      if (this.#givenUp.has(name) || [name, ...PROGRAMS[name].needs].some(other => this.#recoveries.has(other))) return
      if (!await this.#programs.isUp(name)) return this.#raiseForgotten(name)
      if (await this.#isFrozen(name)) return this.#killFrozen(name, 'was stopped')
      if (!isTurn && this.#silent.get(name) === 0) return
      const answers = await this.#programs.answers(name, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)]))
      const silent = answers ? 0 : (this.#silent.get(name) ?? 0) + 1
      this.#silent.set(name, silent)
      if (answers) this.#loops.get(name)?.isWell(performance.now())
      if (silent >= MAX_SILENT) await this.#killFrozen(name, 'did not answer')
    }))
    await this.#tellHealth()
  }

  /** Restarts a program that is down without a restart under way: an earlier server had begun one. */
  async #raiseForgotten (name: ProgramName): Promise<void> {
    await delay(LOOK_MS, undefined, { signal: this.#stop.signal, ref: false }) // if it has just died, its exit is read in that time
    if (!this.#recoveries.has(name) && !this.#givenUp.has(name) && !await this.#programs.isUp(name)) this.#recover(name, 0)
  }

  /** Whether the program is stopped by a signal. Looks twice: a debugger stops a program for a moment. */
  async #isFrozen (name: ProgramName): Promise<boolean> {
    if (!await this.#programs.isStopped(name)) return false
    await delay(LOOK_MS, undefined, { signal: this.#stop.signal, ref: false })
    return this.#programs.isStopped(name)
  }

  async #killFrozen (name: ProgramName, why: string): Promise<void> {
    this.#silent.delete(name)
    this.#tell({ type: 'service-frozen', service: name, message: `${PROGRAMS[name].title} ${why}: it is killed and started again` })
    await this.#programs.kill(name, this.#stop.signal)
  }

  async #tellHealth (): Promise<void> {
    const isDegraded = await this.health() === 'degraded'
    if (isDegraded === this.#wasDegraded) return
    this.#wasDegraded = isDegraded
    this.#tell(isDegraded
      ? { type: 'degraded', message: 'The session is degraded: one of its programs is down' }
      : { type: 'recovered', message: 'All programs of the session run again' })
  }
}
