import type { ClockNote } from '#domain/live/clocks.ts'
import { hasEnded, type CompletedCreation, type SessionFacts, type SessionRecord, type SessionState } from '#domain/session.ts'
import type { Registry } from '#stores/sqlite/registry.ts'

/** Keeps the registry in memory, for tests, and as the smallest example of a backend. */
export function openRegistry (): Registry {
  const records = new Map<string, SessionRecord>()
  const completed = new Map<string, CompletedCreation>()
  const notes = new Map<string, ClockNote>()
  let taken: number | undefined

  const add = (facts: SessionFacts, state: SessionState) => { records.set(facts.id, { ...structuredClone(facts), state, version: 0 }) }
  /** Changes the record, if there is one. */
  function change (id: string, changes: Partial<SessionRecord>): void {
    const record = records.get(id)
    if (record) Object.assign(record, changes)
  }

  return {
    sessions: {
      async record (facts) {
        if (records.has(facts.id)) throw new Error(`the session ${facts.id} is recorded`)
        add(facts, 'creating')
      },
      async restore (facts, state) {
        if (records.has(facts.id)) return false
        add(facts, state)
        if (state === 'ready') completed.set(facts.id, { facts: structuredClone(facts), completedAt: facts.createdAt })
        return true
      },
      async ready (id) {
        const facts = records.get(id)
        change(id, { state: 'ready' })
        if (facts) completed.set(id, { facts: structuredClone(facts), completedAt: new Date() })
      },
      stopping: async (id, reason) => change(id, { state: 'stopping', reason }),
      ended: async (id, state) => change(id, { state, endedAt: new Date() }),
      async addVersion (id) {
        const record = records.get(id)
        if (!record) throw new Error(`no session ${id} is recorded`)
        return ++record.version
      },
      live: async () => structuredClone([...records.values()].filter(({ state }) => !hasEnded(state)).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())),
      find: async id => structuredClone(records.get(id)),
      findCompleted: async key => structuredClone([...completed.values()].findLast(({ facts }) => facts.request?.key === key && (records.get(facts.id)?.state ?? 'failed') !== 'failed')),
      async prune (date) {
        for (const { id, endedAt } of records.values()) if (endedAt && endedAt < date) records.delete(id)
      },
      async close () {}
    },
    clocks: {
      async note (noted) {
        for (const [id, note] of noted) {
          if (records.has(id)) notes.set(id, { ...note, ageMs: Math.round(note.ageMs), idleMs: Math.round(note.idleMs) })
        }
      },
      noted: async id => structuredClone(notes.get(id))
    },
    uids: {
      get: () => taken,
      set (count) { taken = count }
    }
  }
}
