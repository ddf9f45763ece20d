interface Turn {
  /** Resolves when the last writer has ended. */
  writer: Promise<unknown>
  /** Resolves when all readers since that writer have ended. */
  readers: Promise<unknown>
  pending: number
}

/**
 * Gives work on named things its turn, in the order of the calls: a writer begins when all work before it on its things has
 * ended, a reader when all writers before it have. Work on other things does not wait.
 */
export class Turns {
  readonly #turns = new Map<string, Turn>()

  async read<Result> (name: string, work: () => Promise<Result>): Promise<Result> {
    const [turn] = this.#enter([name]) as [Turn]
    const done = turn.writer.then(work)
    turn.readers = Promise.allSettled([turn.readers, done])
    return await done.finally(() => this.#leave([name]))
  }

  /** Runs the work when its turn has come on each of these things. */
  async write<Result> (names: readonly string[], work: () => Promise<Result>): Promise<Result> {
    const turns = this.#enter(names)
    const done = Promise.all(turns.flatMap(({ readers, writer }) => [readers, writer])).then(work)
    const over = Promise.allSettled([done])
    for (const turn of turns) turn.writer = turn.readers = over
    return await done.finally(() => this.#leave(names))
  }

  /** Resolves when all work that has a turn now has ended. */
  async over (): Promise<void> {
    await Promise.all([...this.#turns.values()].flatMap(({ readers, writer }) => [readers, writer]))
  }

  #enter (names: readonly string[]): Turn[] {
    return names.map(name => {
      const turn = this.#turns.get(name) ?? { writer: Promise.resolve(), readers: Promise.resolve(), pending: 0 }
      turn.pending++
      this.#turns.set(name, turn)
      return turn
    })
  }

  #leave (names: readonly string[]): void {
    for (const name of names) {
      const turn = this.#turns.get(name)
      if (turn && --turn.pending === 0) this.#turns.delete(name)
    }
  }
}
