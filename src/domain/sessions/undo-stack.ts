export type Undo = (signal: AbortSignal) => Promise<void> | void

/** What went wrong while undoing: the rest was undone all the same, but for what is undone last. */
export class UndoFailed extends AggregateError {
  override readonly name = 'UndoFailed'
  readonly #failed: ReadonlyMap<string, unknown>

  constructor (failed: ReadonlyMap<string, unknown>) {
    const errors = Array.from(failed, ([name, cause]) => new Error(`undo of ${name} failed`, { cause }))
    super(errors, errors.map(error => `${error.message}: ${(error.cause as Error).message}`).join('; '))
    this.#failed = failed
  }

  /** Why the entry of this name failed, if it did. */
  of (name: string): unknown {
    return this.#failed.get(name)
  }
}

/** When an entry runs: in any case, or only if all that was pushed after it has been undone. */
export type When = 'always' | 'last'

interface Entry { name: string, undo: Undo, when: When }

/**
 * What a session has acquired, as the ways to give it back. Runs last in, first out, once: whoever asks again joins
 * the run. One entry's failure or timeout does not keep the others from running. An entry pushed after the run began
 * (an acquisition that came late) is undone at once. Entries are safe to run when the thing is already gone. An entry
 * that is undone `last` is passed over while something is left that was pushed after it: it is what the next try needs.
 */
export class UndoStack {
  readonly #entries: Entry[] = []
  readonly #undone: (name: string, durationMs: number) => void
  readonly #timeoutMs: number
  #run: Promise<void> | undefined
  #isSomethingLeft = false

  /** An entry has `timeoutMs`; `undone` hears of every one that was undone. */
  constructor (timeoutMs = 10_000, undone: (name: string, durationMs: number) => void = () => {}) {
    this.#undone = undone
    this.#timeoutMs = timeoutMs
  }

  /** Promises that `undo` will run; call it on the line next to the acquisition. */
  push (name: string, undo: Undo, when: When = 'always'): void {
    this.#entries.push({ name, undo, when })
    if (!this.#run) return
    this.#run = this.#run.then(() => this.#undoAll(), async error => { await this.#undoAll(); throw error })
    this.#run.catch(() => {}) // whoever asks again hears of it
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
        this.#undone(entry.name, Math.round(performance.now() - startedAt))
      } catch (error) {
        this.#isSomethingLeft = true
        failed.set(entry.name, error)
      }
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
