export type Undo = (signal: AbortSignal) => Promise<void> | void

/** The errors of undos that failed. All other entries were undone, except those that are undone `last`. */
export class UndoFailed extends AggregateError {
  override readonly name = 'UndoFailed'
  readonly #failed: ReadonlyMap<string, unknown>

  constructor (failed: ReadonlyMap<string, unknown>) {
    const errors = Array.from(failed, ([name, cause]) => new Error(`undo of ${name} failed`, { cause }))
    super(errors, errors.map(error => `${error.message}: ${(error.cause as Error).message}`).join('; '))
    this.#failed = failed
  }

  /** The error of the entry of this name, if it failed. */
  of (name: string): unknown {
    return this.#failed.get(name)
  }
}

/** When an entry runs: always, or only if every entry pushed after it has been undone. */
export type When = 'always' | 'last'

interface Entry { name: string, undo: Undo, when: When }

/**
 * The undos of everything that a session has acquired. Runs last in, first out, once: further calls join the run. One entry's failure or timeout does not keep the others from running. An entry pushed after the run began
 * (an acquisition that came late) is undone at once. Entries are safe to run when the thing is already gone. An entry
 * that is undone `last` is skipped while a later entry has not been undone: the next try needs its thing.
 */
export class UndoStack {
  readonly #entries: Entry[] = []
  readonly #ran: (name: string, durationMs: number, error?: unknown) => void
  readonly #timeoutMs: number
  #run: Promise<void> | undefined
  #isSomethingLeft = false

  /** `timeoutMs` is the time limit of each entry. Calls `ran` after each entry that ran, with its error if it failed. */
  constructor (timeoutMs = 10_000, ran: (name: string, durationMs: number, error?: unknown) => void = () => {}) {
    this.#ran = ran
    this.#timeoutMs = timeoutMs
  }

  /** Promises that `undo` will run; call it on the line next to the acquisition. */
  push (name: string, undo: Undo, when: When = 'always'): void {
    this.#entries.push({ name, undo, when })
    if (!this.#run) return
    this.#run = this.#run.then(() => this.#undoAll(), async error => { await this.#undoAll(); throw error })
    this.#run.catch(() => {}) // the callers of `run` get the error
  }

  /**
   * Undoes everything; resolves when all of it has been undone.
   * @throws {UndoFailed} holding every entry's error, after the last one ran
   */
  run (): Promise<void> {
    this.#run ??= this.#undoAll()
    return this.#run
  }

  async #undoAll (): Promise<void> {
    const failed = new Map<string, unknown>()
    for (let entry = this.#entries.pop(); entry; entry = this.#entries.pop()) {
      if (entry.when === 'last' && this.#isSomethingLeft) continue
      const startedAt = performance.now()
      try {
        await withTimeout(entry.undo, this.#timeoutMs)
      } catch (error) {
        this.#isSomethingLeft = true
        failed.set(entry.name, error)
      }
      this.#ran(entry.name, performance.now() - startedAt, failed.get(entry.name))
    }
    if (failed.size > 0) throw new UndoFailed(failed)
  }
}

/** Runs `undo`, and stops waiting for it after `timeoutMs` even when it does not heed its signal. */
async function withTimeout (undo: Undo, timeoutMs: number): Promise<void> {
  const timeout = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = new Error(`took longer than ${timeoutMs} ms`)
    timeout.abort(error)
    late.reject(error)
  }, timeoutMs)
  try {
    await Promise.race([undo(timeout.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
