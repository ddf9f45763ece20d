import { newQueue } from '#domain/concurrency/queue.ts'
import { ownKey, type FirewallBackend, type OwnPort } from './backend.ts'
import { CommandFailed } from '#system/kernel/run.ts'

/** What a session may use. While it is being opened or closed, its ports may be there or not. */
interface Opening { own: OwnPort[], isSettled: boolean }

/** The rules of an instance, in force. */
export type EnforcedRules = Awaited<ReturnType<typeof enforce>>

/**
 * Puts the rules in force, with the own ports of the sessions that live already, by session id. Rules that are there and
 * right are left alone. All work is done in turn, so that nothing that is read is half of a change.
 * @throws when they cannot be loaded, or are not read back as they should be; some may be there then
 */
export async function enforce (first: FirewallBackend, living: Map<string, OwnPort[]>) {
  const openings = new Map<string, Opening>([...living].map(([id, own]) => [id, { own, isSettled: true }]))
  let backend = first
  let rules = ''
  const inTurn = newQueue()

  async function findDamage (signal?: AbortSignal): Promise<string | undefined> {
    const loaded = await backend.read(signal)
    if (loaded.rules !== rules) return 'the rules are not as they were loaded'
    const keys = (openings: Opening[]) => new Set(openings.flatMap(({ own }) => own.map(ownKey)))
    const missing = keys(settled()).difference(loaded.own)
    if (missing.size > 0) return `own ports of live sessions are missing: ${[...missing].slice(0, 3).join(', ')}`
    const strange = loaded.own.difference(keys([...openings.values()]))
    if (strange.size > 0) return `ports are open to no live session: ${[...strange].slice(0, 3).join(', ')}`
  }

  function settled (): Opening[] {
    return [...openings.values()].filter(({ isSettled }) => isSettled)
  }

  async function assertInForce (signal?: AbortSignal): Promise<void> {
    const damage = await findDamage(signal)
    if (damage) throw new Error(damage)
  }

  async function load (): Promise<void> {
    await backend.load(settled().flatMap(({ own }) => own))
    await assertInForce()
  }

  rules = await backend.expected()
  await assertInForce().catch(load) // usually nothing is there yet, which cannot be read

  return {
    /** Resolves when all is as it should be, in the kernel. @throws whatever keeps it from being seen so */
    verify: (signal?: AbortSignal) => inTurn(() => assertInForce(signal)),

    /** Opens the session's ports, and verifies all. */
    open: (id: string, own: OwnPort[], signal: AbortSignal) => inTurn(async () => {
      const opening = { own, isSettled: false }
      openings.set(id, opening)
      try {
        await backend.add(own, signal)
      } catch (error) {
        // refused: there is nothing to close, with a tool that may be broken. Were it there in part, `repair` would find it
        if (error instanceof CommandFailed) openings.delete(id)
        throw error
      }
      opening.isSettled = true
      await assertInForce(signal)
    }),

    /** Closes the session's ports, if they are open. What this server did not open, the load at its start has closed. */
    close: (id: string, signal: AbortSignal) => inTurn(async () => {
      const opening = openings.get(id)
      if (!opening) return
      opening.isSettled = false
      await backend.remove(opening.own, signal)
      openings.delete(id)
    }),

    /** Calls `found` with the damage if there is any, and resolves when all is in force again. */
    repair: (found: (damage: string) => void) => inTurn(async () => {
      const damage = await findDamage().catch((error: Error) => error.message) // a table that was deleted cannot be read
      if (!damage) return
      found(damage)
      await load()
    }),

    /**
     * Puts these rules in force instead, of the same kind and for the same instance, with the ports of the sessions that live.
     * @throws when they cannot be; then the earlier ones stay, or are restored by `repair`
     */
    change: (next: FirewallBackend) => inTurn(async () => {
      const wanted = await next.expected()
      const earlier = { backend, rules }
      backend = next
      rules = wanted
      try {
        await load()
      } catch (error) {
        backend = earlier.backend
        rules = earlier.rules
        await assertInForce().catch(load).catch(() => {}) // as long as the tool is broken, `repair` finds it and tries again
        throw error
      }
    }),

    /** Removes the rules. */
    release: () => inTurn(() => backend.unload())
  }
}
