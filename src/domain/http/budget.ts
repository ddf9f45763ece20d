/** So much of something that there is for all, of which nobody has more than a part. */
export class Budget {
  readonly #most: number
  readonly #mostEach: number
  readonly #taken = new Map<string, number>()
  #total = 0

  constructor (most: number, mostEach: number) {
    this.#most = most
    this.#mostEach = mostEach
  }

  /** Takes it, and returns what gives it back, once; undefined when there is not so much left. */
  take (who: string, amount: number): (() => void) | undefined {
    const before = this.#taken.get(who) ?? 0
    if (this.#total + amount > this.#most || before + amount > this.#mostEach) return undefined
    this.#add(who, amount)
    let isTaken = true
    return () => {
      if (isTaken) this.#add(who, -amount)
      isTaken = false
    }
  }

  #add (who: string, amount: number): void {
    this.#total += amount
    const taken = (this.#taken.get(who) ?? 0) + amount
    if (taken > 0) this.#taken.set(who, taken)
    else this.#taken.delete(who)
  }
}
