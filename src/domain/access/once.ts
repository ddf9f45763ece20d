/** Remembers used ids of things that may be used once, until those expire. */
export interface Once {
  /** Whether this is the first use of `id`, which expires at `until`. */
  use (id: string, until: Date, now?: Date): boolean
  /** Allows `id` to be used again, after a use that failed. */
  forget (id: string): void
}

/** Remembers at most `max` ids; forgets the oldest first. */
export function createOnce (max: number): Once {
  const used = new Map<string, Date>()
  return {
    use (id, until, now = new Date()) {
      if (used.has(id)) return false
      for (const [old, end] of used) {
        if (end > now && used.size < max) break
        used.delete(old)
      }
      used.set(id, until)
      return true
    },
    forget: id => { used.delete(id) }
  }
}
