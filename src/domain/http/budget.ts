/** A limited amount that all users share, with a smaller limit for each. */
export class Budget {
  readonly #most: number
  readonly #mostEach: number
  readonly #taken = new Map<string, number>()
  #total = 0

  constructor (most: number, mostEach: number) {
    this.#most = most
    this.#mostEach = mostEach
  }

  /** Takes the amount. Returns the function that gives it back, once; undefined when a limit would be exceeded. */
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
