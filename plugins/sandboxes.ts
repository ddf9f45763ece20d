import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Sandboxes } from '../src/domain/capabilities.ts'
import type { SessionFacts } from '../src/domain/session.ts'
import { detectCgroups, removeParents } from '../src/system/cgroups.ts'
import { FileWriter } from '../src/system/file-writer.ts'
import { createSandbox, isSandboxAlive, killSandbox, removeSandbox } from '../src/system/sandbox.ts'
import { isServiceUp, readLog, startService, stopService, type Service } from '../src/system/services.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sandboxes: Sandboxes & {
      /** What confines sessions on this host, for people to read. */
      isolation: Isolation
      startService (facts: SessionFacts, service: Service, signal: AbortSignal): Promise<void>
      /** Ends the service; `quietly`, it is only not restarted, and dies with the sandbox. */
      stopService (facts: SessionFacts, name: string, signal: AbortSignal, quietly?: boolean): Promise<void>
      isServiceUp (facts: SessionFacts, name: string): Promise<boolean>
      serviceLog (facts: SessionFacts, name: string, tail: number): Promise<string[]>
      fileWriter (facts: SessionFacts): FileWriter
    }
  }
}

export interface Isolation {
  namespaces: string[]
  cgroup: 'v2' | 'v1' | 'none'
  limits: string[]
}

const WATCH_MS = 1000

async function sandboxes (app: FastifyInstance): Promise<void> {
  const { dataDir, instance, sessionMemory, sessionPids, sessionCpu } = app.config
  const cgroups = await detectCgroups(instance)
  const limits = { memoryMiB: sessionMemory, pids: sessionPids, cpuCores: sessionCpu }
  if (cgroups.version === 'none') app.log.warn({ plugin: 'sandboxes' }, 'no cgroup limits on this host')

  const dirOf = ({ id }: SessionFacts) => join(dataDir, 'sessions', id)
  const kill = (facts: SessionFacts, signal: AbortSignal) => killSandbox(dirOf(facts), facts.account.uid, signal)

  const watched = new Set<string>()
  app.audit.own('watch', () => watched)

  /** Looks every second whether the init lives. A poll serves a sandbox that this server did not start as well. */
  function watch (facts: SessionFacts, died: () => void): () => void {
    const timer = setInterval(() => {
      isSandboxAlive(dirOf(facts)).then(alive => {
        if (alive) return
        clearInterval(timer)
        died()
      }, err => app.log.error({ err, sessionId: facts.id }, 'sandbox not seen'))
    }, WATCH_MS)
    timer.unref()
    watched.add(facts.id)
    return () => {
      clearInterval(timer)
      watched.delete(facts.id)
    }
  }

  app.decorate('sandboxes', {
    isolation: { namespaces: ['mount', 'pid', 'ipc', 'uts'], cgroup: cgroups.version, limits: cgroups.controllers },
    create: (facts: SessionFacts, signal: AbortSignal) => createSandbox({
      id: facts.id,
      dir: dirOf(facts),
      account: facts.account,
      node: process.execPath,
      template: join(dataDir, 'templates', facts.template),
      cgroups,
      limits
    }, signal),
    kill,
    async remove (facts: SessionFacts, signal: AbortSignal) {
      await kill(facts, signal)
      await removeSandbox(dirOf(facts), signal)
    },
    watch,
    startService: (facts, service, signal) => startService(dirOf(facts), facts.account, service, signal),
    stopService: (facts, name, signal, quietly = false) => stopService(dirOf(facts), name, quietly, signal),
    isServiceUp: (facts, name) => isServiceUp(dirOf(facts), name),
    serviceLog: (facts, name, tail) => readLog(dirOf(facts), name, tail),
    fileWriter: facts => new FileWriter(dirOf(facts), facts.account)
  } satisfies FastifyInstance['sandboxes'])

  app.addHook('onClose', async () => {
    if (app.registry.live().length === 0) await removeParents(cgroups, AbortSignal.timeout(5000))
  })
}

export default fp(sandboxes, { name: 'sandboxes', dependencies: ['config', 'audit', 'registry'] })
