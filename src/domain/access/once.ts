/** Remembers what may be used once, for as long as it could be used. */
export interface Once {
  /** Whether this is its first use; `until` is when it is no good any more. */
  use (id: string, until: Date, now?: Date): boolean
  /** It came to nothing: it may be used again. */
  forget (id: string): void
}

/** At most `max` are remembered; the oldest is forgotten first. */
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
