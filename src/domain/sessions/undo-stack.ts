export type Undo = (signal: AbortSignal) => Promise<void> | void

/** What went wrong while undoing: the rest was undone all the same. */
export class UndoFailed extends AggregateError {
  override readonly name = 'UndoFailed'
}

interface Entry { name: string, undo: Undo }

/**
 * What a session has acquired, as the ways to give it back. Runs last in, first out, once: whoever asks again joins
 * the run. One entry's failure or timeout does not keep the others from running. An entry pushed after the run began
 * (an acquisition that came late) is undone at once. Entries are safe to run when the thing is already gone.
 */
export class UndoStack {
  readonly #entries: Entry[] = []
  readonly #undone: (name: string, durationMs: number) => void
  readonly #timeoutMs: number
  #run: Promise<void> | undefined

  /** An entry has `timeoutMs`; `undone` hears of every one that was undone. */
  constructor (timeoutMs = 10_000, undone: (name: string, durationMs: number) => void = () => {}) {
    this.#undone = undone
    this.#timeoutMs = timeoutMs
  }

  /** Promises that `undo` will run; call it on the line next to the acquisition. */
  push (name: string, undo: Undo): void {
    this.#entries.push({ name, undo })
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
    const errors: Error[] = []
    for (let entry = this.#entries.pop(); entry; entry = this.#entries.pop()) {
      const startedAt = performance.now()
      try {
        await withTimeout(entry.undo, this.#timeoutMs)
        this.#undone(entry.name, Math.round(performance.now() - startedAt))
      } catch (cause) {
        errors.push(new Error(`undo of ${entry.name} failed`, { cause }))
      }
    }
    if (errors.length > 0) throw new UndoFailed(errors, errors.map(error => `${error.message}: ${(error.cause as Error).message}`).join('; '))
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
