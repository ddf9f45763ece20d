/**
 * Who waits, in the order of their turns. Turns go round by user, and each user's own come in the order in which they
 * joined: whoever has much waiting holds up nobody who has little.
 */
export class WaitingLine<W extends { id: string, owner: string }> {
  readonly #most: number
  readonly #lines = new Map<string, W[]>() // by user; the first has the next turn

  /** At most `most` wait. */
  constructor (most: number) {
    this.#most = most
  }

  /**
   * Lets it wait, behind the others of its user. When that is one too many, the user who has the most waiting loses their
   * last one. Returns the one that has to go: the new one itself, unless another user has more.
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

  /** It waits no longer; safe when it does not. */
  leave (id: string): void {
    for (const [owner, line] of this.#lines) {
      const left = line.filter(waiter => waiter.id !== id)
      if (left.length === 0) this.#lines.delete(owner)
      else this.#lines.set(owner, left)
    }
  }

  /** Takes out whoever's turn it is, passing over users who may not have one now. */
  next (mayHave: (owner: string) => boolean): W | undefined {
    for (const [owner, line] of this.#lines) {
      if (!mayHave(owner)) continue
      const [first, ...left] = line
      this.#lines.delete(owner)
      if (left.length > 0) this.#lines.set(owner, left) // behind the other users
      return first
    }
  }

  /** All who wait, in the order of their turns: of each user the first, then of each the second, and so on. */
  inOrder (): W[] {
    const lines = [...this.#lines.values()]
    const rounds = Math.max(0, ...lines.map(line => line.length))
    return Array.from({ length: rounds }, (_, round) => lines.flatMap(line => line.slice(round, round + 1))).flat()
  }
}
