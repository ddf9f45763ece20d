import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { ProgramName } from '#domain/programs/programs.ts'
import type { SessionFacts } from '#domain/session.ts'
import type { Programs } from '#domain/live/supervised.ts'
import { Supervisor } from '#domain/live/supervisor.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Keeps sessions' programs running: restarts a program that died or froze, and publishes an event each time. */
    supervision: {
      /** Watches the session until the returned function is called. Calls `died` once if the sandbox's init is dead. */
      watch (facts: SessionFacts, died: () => void): () => void
      /** `degraded` while one of the session's programs is down or coming back. */
      health (id: string): Promise<'ok' | 'degraded'>
      /** Restarts at once the programs that were given up or wait for their restart. Resolves when they answer, or when the attempt has failed. */
      retry (id: string): Promise<void>
      /** Takes these programs down and starts them again, and those that depend on them. Resolves with whether all of them answer. */
      restart (id: string, names: readonly ProgramName[]): Promise<boolean>
      /** Does work during which this program may be stopped by a signal, for less time than it has for its answers. Resolves and rejects as the work does. */
      during<Result> (id: string, name: ProgramName, work: () => Promise<Result>): Promise<Result>
    }
  }
}

const LINE_BYTES = 500

async function supervision (app: FastifyInstance): Promise<void> {
  const supervisors = new Map<string, Supervisor>()
  /** The programs that the server itself may have stopped at this moment. */
  const held = new Set<string>()
  const heldAs = (id: string, name: ProgramName) => `${id} ${name}`

  app.audit.own('supervisor', () => supervisors.keys(), ({ id }) => [id])
  app.decorate('supervision', {
    watch (facts: SessionFacts, died: () => void) {
      const log = app.log.child({ sessionId: facts.id })
      const supervisor = new Supervisor({
        programs: programsOf(facts),
        past: app.events.past(facts.id),
        tell (event) {
          log.warn({ event }, event.message)
          app.events.publish(facts, event)
        },
        warn: (err, message) => log.warn({ err }, message),
        givenUp: isGivenUp => app.expiry.givenUp(facts.id, isGivenUp),
        died
      })
      supervisors.set(facts.id, supervisor)
      supervisor.start()
      return () => {
        supervisor.stop()
        supervisors.delete(facts.id)
      }
    },
    health: async (id: string) => await supervisors.get(id)?.health() ?? 'ok',
    retry: async (id: string) => supervisors.get(id)?.retry(),
    restart: async (id: string, names: readonly ProgramName[]) => await supervisors.get(id)?.restart(names) ?? false,
    async during<Result> (id: string, name: ProgramName, work: () => Promise<Result>) {
      held.add(heldAs(id, name))
      try {
        return await work()
      } finally {
        held.delete(heldAs(id, name))
      }
    }
  })

  function programsOf (facts: SessionFacts): Programs {
    const sandbox = app.sandboxes.watch(facts)
    const { services, programs } = app
    return {
      names: services.names(facts),
      isAlive: () => sandbox.isAlive(),
      nextExits: () => sandbox.nextExits(),
      isUp: name => services.isUp(facts, name),
      isStopped: async name => await services.isStopped(facts, name) && !held.has(heldAs(facts.id, name)),
      answers: (name, signal) => programs.answers(facts, name, signal),
      raise: (name, signal) => programs.raise(facts, name, signal),
      kill: (name, signal) => services.kill(facts, name, signal),
      down: (name, signal) => services.down(facts, name, signal),
      lastLines: (name, count) => services.log(facts, name, count, LINE_BYTES)
    }
  }
}

export default fp(supervision, { name: 'supervision', dependencies: ['audit', 'sandboxes', 'services', 'events', 'expiry', 'programs'] })
