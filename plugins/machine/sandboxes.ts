import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Sandboxes } from '#domain/sessions/capabilities.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { portsOf } from '#domain/machine/slots.ts'
import { StartRefused } from '#errors.ts'
import { detectCgroups, removeParents, sessionGroups } from '#system/sandbox/cgroups.ts'
import { FileWriter } from '#system/code/file-writer.ts'
import { updateResolvConf } from '#system/sandbox/resolv-conf.ts'
import { createSandbox, detectHardening, killSandbox, removeSandbox, SESSION_PATH, type Hardening } from '#system/sandbox/sandbox.ts'
import { SandboxWatch } from '#system/sandbox/watch.ts'
import { downService, isServiceStopped, isServiceUp, killService, raiseService, readLog, startService, stopService, type Service } from '#system/sandbox/services.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sandboxes: Sandboxes & {
      /** What confines sessions on this host, for people to read. */
      isolation: Isolation
      watch (facts: SessionFacts): SandboxWatch
      startService (facts: SessionFacts, service: Service, signal: AbortSignal): Promise<void>
      /** Starts a service that is down; with `notifies`, resolves when it says that it is ready. */
      raiseService (facts: SessionFacts, name: string, signal: AbortSignal, notifies?: boolean): Promise<void>
      /** Kills the service, which is then started again. */
      killService (facts: SessionFacts, name: string, signal: AbortSignal): Promise<void>
      /** Kills the service and leaves it down. */
      downService (facts: SessionFacts, name: string, signal: AbortSignal): Promise<void>
      /** Ends the service; `quietly`, it is only not restarted, and dies with the sandbox. */
      stopService (facts: SessionFacts, name: string, signal: AbortSignal, quietly?: boolean): Promise<void>
      isServiceUp (facts: SessionFacts, name: string): Promise<boolean>
      /** Whether a signal has stopped the service's program. */
      isServiceStopped (facts: SessionFacts, name: string): Promise<boolean>
      /** The last lines that the service printed, each cut at `lineBytes`, 8 KiB unless given. */
      serviceLog (facts: SessionFacts, name: string, tail: number, lineBytes?: number): Promise<string[]>
      fileWriter (facts: SessionFacts): FileWriter
    }
  }
}

export interface Isolation extends Hardening {
  namespaces: string[]
  cgroup: 'v2' | 'v1' | 'none'
  limits: string[]
  home: 'image' | 'folder'
}

async function sandboxes (app: FastifyInstance): Promise<void> {
  const { instance, sessionMemory, sessionPids, sessionCpu, sessionPath, strict } = app.config
  const cgroups = await detectCgroups(instance)
  app.addHook('onClose', async () => {
    if (app.registry.live().length === 0) await removeParents(cgroups, AbortSignal.timeout(5000))
  })
  const limits = { memoryMiB: sessionMemory, pids: sessionPids, cpuCores: sessionCpu }
  const PATH = [...sessionPath, ...SESSION_PATH].join(':')
  if (cgroups.version === 'none') app.log.warn({ plugin: 'sandboxes' }, 'no cgroup limits on this host')
  const isolation: Isolation = {
    namespaces: ['mount', 'pid', 'ipc', 'uts'],
    cgroup: cgroups.version,
    limits: cgroups.controllers,
    home: app.homes.kind,
    ...await detectHardening()
  }
  if (strict) refuseWithoutLimits(isolation)

  const dirOf = ({ id }: SessionFacts) => app.instance.folder.session(id)
  const toId = (facts: SessionFacts) => ({ dir: dirOf(facts), uid: facts.account.uid, groups: sessionGroups(cgroups, facts.id) })

  app.resolvers.onChange(({ text }) => {
    for (const facts of app.registry.live()) {
      updateResolvConf(dirOf(facts), text).catch((err: NodeJS.ErrnoException) => {
        if (err.code !== 'ENOENT') app.log.warn({ err, sessionId: facts.id }, 'resolvers not told to the session')
      })
    }
  })

  app.decorate('sandboxes', {
    isolation,
    create: (facts: SessionFacts, template: Template, signal: AbortSignal) => createSandbox({
      id: facts.id,
      dir: dirOf(facts),
      account: facts.account,
      node: process.execPath,
      template: join(app.instance.folder.templates, template.devServer),
      npmCache: app.instance.folder.npmCache,
      cgroups,
      limits,
      ports: portsOf(facts.slot)
    }, signal),
    kill: (facts, signal) => killSandbox(toId(facts), signal),
    remove: (facts, signal) => removeSandbox(toId(facts), signal),
    watch: facts => new SandboxWatch(dirOf(facts)),
    startService: (facts, service, signal) => startService(dirOf(facts), facts.account, { ...service, env: { ...service.env, PATH } }, signal),
    stopService: (facts, name, signal, quietly = false) => stopService(dirOf(facts), name, quietly, signal),
    raiseService: (facts, name, signal, notifies = false) => raiseService(dirOf(facts), name, notifies, signal),
    killService: (facts, name, signal) => killService(dirOf(facts), name, signal),
    downService: (facts, name, signal) => downService(dirOf(facts), name, signal),
    isServiceStopped: (facts, name) => isServiceStopped(dirOf(facts), name),
    isServiceUp: (facts, name) => isServiceUp(dirOf(facts), name),
    serviceLog: (facts, name, tail, lineBytes) => readLog(dirOf(facts), name, tail, lineBytes),
    fileWriter: facts => new FileWriter(dirOf(facts), facts.account)
  } satisfies FastifyInstance['sandboxes'])
}

function refuseWithoutLimits ({ limits, home }: Isolation): void {
  const missing = ['memory', 'pids', 'cpu'].filter(controller => !limits.includes(controller))
  if (home === 'folder') missing.unshift('home')
  if (missing.length === 0) return
  throw new StartRefused(`EX10_STRICT=1 cannot be kept: this host does not limit a session's ${missing.join(', ')}; the log says why, or start without it`)
}

export default fp(sandboxes, { name: 'sandboxes', dependencies: ['config', 'instance', 'registry', 'homes', 'resolvers'] })
