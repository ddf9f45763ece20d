/** Random choices that the same seed repeats. */
export interface Random {
  seed: number
  /** From 0 up to, not including, `below`. */
  below (below: number): number
  pick<T> (of: readonly T[]): T
  chance (probability: number): boolean
}

/** EX10_TEST_SEED, or a new seed: print it, so that a failure can be repeated. */
export function newRandom (seed = Number(process.env.EX10_TEST_SEED || Math.floor(Math.random() * 2 ** 32))): Random {
  let state = seed >>> 0
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { seed, below, pick: of => of[below(of.length)]!, chance: probability => next() < probability }
}
