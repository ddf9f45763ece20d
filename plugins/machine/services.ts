import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { ProgramName } from '#domain/programs/programs.ts'
import type { SessionFacts } from '#domain/session.ts'
import { SESSION_PATH } from '#system/sandbox/sandbox.ts'
import { definedServices, downService, endService, isServiceStopped, isServiceUp, killService, raiseService, readLog, startService, stopService, type Service } from '#system/sandbox/services.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The programs that s6 runs in sessions' sandboxes, with the sessions' users. s6 restarts a program that ends, unless its service says otherwise. */
    services: {
      /** Gives the service to s6 and starts it. With `notifies`, resolves when the program reports that it is ready. */
      start (facts: SessionFacts, service: Service, signal: AbortSignal): Promise<void>
      /** Starts a service that is down. With `notifies`, resolves when the program reports that it is ready. */
      raise (facts: SessionFacts, name: ProgramName, signal: AbortSignal, notifies?: boolean): Promise<void>
      /** Kills the service's program, which s6 then restarts. */
      kill (facts: SessionFacts, name: ProgramName, signal: AbortSignal): Promise<void>
      /** Kills the service's program and leaves the service down. */
      down (facts: SessionFacts, name: ProgramName, signal: AbortSignal): Promise<void>
      /** Leaves the service's program down when `ask` has made it end. Rejects when it has not ended after 2 s. */
      end (facts: SessionFacts, name: ProgramName, ask: () => Promise<void>, signal: AbortSignal): Promise<void>
      /** Stops the service. With `quietly`, s6 only stops restarting it, and the program ends with the sandbox. */
      stop (facts: SessionFacts, name: ProgramName, signal: AbortSignal, quietly?: boolean): Promise<void>
      /** The programs that the session was made with. */
      names (facts: SessionFacts): ProgramName[]
      isUp (facts: SessionFacts, name: ProgramName): Promise<boolean>
      /** Whether a signal has stopped the service's program. */
      isStopped (facts: SessionFacts, name: ProgramName): Promise<boolean>
      /** The last lines that the service printed, each cut at `lineBytes`, 8 KiB unless given. */
      log (facts: SessionFacts, name: ProgramName, tail: number, lineBytes?: number): Promise<string[]>
    }
  }
}

async function services (app: FastifyInstance): Promise<void> {
  const PATH = [...app.config.sessionPath, ...SESSION_PATH].join(':')
  const dirOf = ({ id }: SessionFacts) => app.instance.folder.session(id)

  app.decorate('services', {
    start: (facts, service, signal) => startService(dirOf(facts), facts.account, { ...service, env: { ...service.env, PATH } }, signal),
    raise: (facts, name, signal, notifies = false) => raiseService(dirOf(facts), name, notifies, signal),
    kill: (facts, name, signal) => killService(dirOf(facts), name, signal),
    down: (facts, name, signal) => downService(dirOf(facts), name, signal),
    end: (facts, name, ask, signal) => endService(dirOf(facts), name, ask, signal),
    stop: (facts, name, signal, quietly = false) => stopService(dirOf(facts), name, quietly, signal),
    names: facts => definedServices(dirOf(facts)),
    isUp: (facts, name) => isServiceUp(dirOf(facts), name),
    isStopped: (facts, name) => isServiceStopped(dirOf(facts), name),
    log: (facts, name, tail, lineBytes) => readLog(dirOf(facts), name, tail, lineBytes)
  } satisfies FastifyInstance['services'])
}

export default fp(services, { name: 'services', dependencies: ['config', 'instance'] })
