/**
 * A line of waiters in the order of their turns. Users take turns, and each user's own waiters are served in the order in
 * which they joined. A user with many waiters does not delay a user with few.
 */
export class WaitingLine<W extends { id: string, owner: string }> {
  readonly #most: number
  readonly #lines = new Map<string, W[]>() // by user; the first has the next turn

  /** `most` is the most that may wait. */
  constructor (most: number) {
    this.#most = most
  }

  /**
   * Adds a waiter behind the others of its user. When that exceeds the limit, removes the last waiter of the user with the
   * most waiters, and returns it: this is the new one itself, unless another user has more.
   */
  join (waiter: W): W | undefined {
    const own = this.#lines.get(waiter.owner) ?? []
    this.#lines.set(waiter.owner, own)
    own.push(waiter)
    if (this.inOrder().length <= this.#most) return undefined
    const longest = [...this.#lines.values()].reduce((longest, line) => line.length > longest.length ? line : longest, own)
    const last = longest.at(-1)!
    this.leave(last.id)
    return last
  }

  /** Removes a waiter. Does nothing when it is not in the line. */
  leave (id: string): void {
    for (const [owner, line] of this.#lines) {
      const left = line.filter(waiter => waiter.id !== id)
      if (left.length === 0) this.#lines.delete(owner)
      else this.#lines.set(owner, left)
    }
  }

  /** Removes and returns the waiter with the next turn, passing over users for whom `mayHave` is false. */
  next (mayHave: (owner: string) => boolean): W | undefined {
    for (const [owner, line] of this.#lines) {
      if (!mayHave(owner)) continue
      const [first, ...left] = line
      this.#lines.delete(owner)
      if (left.length > 0) this.#lines.set(owner, left) // behind the other users
      return first
    }
  }

  /** All waiters in the order of their turns: each user's first one, then each user's second, and so on. */
  inOrder (): W[] {
    const lines = [...this.#lines.values()]
    const rounds = Math.max(0, ...lines.map(line => line.length))
    return Array.from({ length: rounds }, (_, round) => lines.flatMap(line => line.slice(round, round + 1))).flat()
  }
}
