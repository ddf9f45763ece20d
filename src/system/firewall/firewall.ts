import { newQueue } from '#domain/concurrency/queue.ts'
import { ownKey, type FirewallBackend, type OwnPort } from './backend.ts'
import { CommandFailed } from '#system/kernel/run.ts'

/** A session's own ports. While they are being opened or closed, they may be in force or not. */
interface Opening { own: OwnPort[], isSettled: boolean }

/** The rules of an instance that are in force. */
export type EnforcedRules = Awaited<ReturnType<typeof enforce>>

/**
 * Puts the rules in force, with the own ports of live sessions, by session id. Correct rules that are in force already stay
 * untouched. All work is done in turn, so that no read sees half of a change.
 * @throws when the rules cannot be loaded or are read back wrong; a part of them may be in force then
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
  await assertInForce().catch(load) // usually there are no rules yet, and reading them fails

  return {
    /** Resolves when the rules in the kernel are correct. @throws the damage, or the error of reading them */
    verify: (signal?: AbortSignal) => inTurn(() => assertInForce(signal)),

    /** Opens the session's ports, and verifies all rules. */
    open: (id: string, own: OwnPort[], signal: AbortSignal) => inTurn(async () => {
      const opening = { own, isSettled: false }
      openings.set(id, opening)
      try {
        await backend.add(own, signal)
      } catch (error) {
        // the tool refused, so there is nothing to close, and closing could fail, too. `repair` would find ports that are open all the same
        if (error instanceof CommandFailed) openings.delete(id)
        throw error
      }
      opening.isSettled = true
      await assertInForce(signal)
    }),

    /** Closes the session's ports, if they are open. The load at this server's start has closed all ports that it did not open. */
    close: (id: string, signal: AbortSignal) => inTurn(async () => {
      const opening = openings.get(id)
      if (!opening) return
      opening.isSettled = false
      await backend.remove(opening.own, signal)
      openings.delete(id)
    }),

    /** Calls `found` with the damage if there is any, and resolves when the rules are in force again. */
    repair: (found: (damage: string) => void) => inTurn(async () => {
      const damage = await findDamage().catch((error: Error) => error.message) // reading a deleted table fails
      if (!damage) return
      found(damage)
      await load()
    }),

    /**
     * Replaces the rules by these ones, of the same backend and instance, with the ports of live sessions.
     * @throws when that fails: then the earlier rules stay, or `repair` restores them
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
        await assertInForce().catch(load).catch(() => {}) // while the tool is broken, `repair` finds the damage and tries again
        throw error
      }
    }),

    /** Removes the rules. */
    release: () => inTurn(() => backend.unload())
  }
}
