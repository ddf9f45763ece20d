import { totalmem } from 'node:os'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Sandboxes } from '#domain/sessions/capabilities.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { portsOf } from '#domain/machine/slots.ts'
import { StartRefused } from '#errors.ts'
import { detectCgroups, removeParents, sessionGroups } from '#system/sandbox/cgroups.ts'
import { enterSandbox, type EnteredProgram, type EnterOptions } from '#system/sandbox/enter.ts'
import { KeptBrowsers } from '#system/sandbox/kept-browser.ts'
import { updateResolvConf } from '#system/sandbox/resolv-conf.ts'
import { createSandbox, detectHardening, killSandbox, readInit, removeSandbox, type Hardening } from '#system/sandbox/sandbox.ts'
import { readTotals, readUsage, type Totals, type Usage } from '#system/sandbox/usage.ts'
import { SandboxWatch } from '#system/sandbox/watch.ts'

declare module 'fastify' {
  interface FastifyInstance {
    sandboxes: Sandboxes & {
      /** The confinement of sessions on this host, as text for people. */
      isolation: Isolation
      watch (facts: SessionFacts): SandboxWatch
      /** What the session uses of the machine now. */
      usage (facts: SessionFacts): Usage
      /** What the session has used of the machine since it was made. */
      totals (facts: SessionFacts): Totals
      /**
       * Starts a program in the sandbox, with pipes to this server: as the session's user, in its namespaces and cgroups.
       * @throws {Error} when the sandbox is gone; the reason of a signal that has aborted
       */
      enter (facts: SessionFacts, argv: readonly string[], options?: EnterOptions): Promise<EnteredProgram>
    }
  }
}

export interface Isolation extends Hardening {
  namespaces: string[]
  cgroup: 'v2' | 'v1' | 'none'
  limits: string[]
  readonly home: 'image' | 'folder' | 'unknown'
}

async function sandboxes (app: FastifyInstance): Promise<void> {
  const { instance, sessionMemory, sessionPids, sessionCpu, sessionPath, strict } = app.config
  const cgroups = await detectCgroups(instance)
  app.addHook('onClose', async () => {
    if (app.registry.live().length === 0) await removeParents(cgroups, AbortSignal.timeout(5000))
  })
  const limits = { memoryMiB: sessionMemory, pids: sessionPids, cpuCores: sessionCpu }
  if (limits.memoryMiB > memoryOfMachine()) app.log.warn({ plugin: 'sandboxes', sessionMemory, machineMiB: memoryOfMachine() }, 'EX10_SESSION_MEMORY is above the memory of this machine')
  if (cgroups.version === 'none') app.log.warn({ plugin: 'sandboxes' }, 'no cgroup limits on this host')
  const isolation: Isolation = {
    namespaces: ['mount', 'pid', 'ipc', 'uts'],
    cgroup: cgroups.version,
    limits: cgroups.controllers,
    ...await detectHardening(),
    get home () { return app.homes.kind }
  }
  if (strict) refuseWithoutLimits(isolation)

  const dirOf = ({ id }: SessionFacts) => app.instance.folder.session(id)
  const toId = (facts: SessionFacts) => ({ dir: dirOf(facts), uid: facts.account.uid, groups: sessionGroups(cgroups, facts.id) })

  updateResolvers() // the resolvers may have changed while no server ran
  app.resolvers.onChange(updateResolvers)

  const browsers = new KeptBrowsers(app.instance.folder.browsers)
  app.addHook('onReady', removeBrowsers)

  app.decorate('sandboxes', {
    isolation,
    create: async (facts: SessionFacts, template: Template, signal: AbortSignal) => createSandbox({
      id: facts.id,
      dir: dirOf(facts),
      account: facts.account,
      node: process.execPath,
      template: join(app.instance.folder.templates, template.devServer),
      npmCache: app.instance.folder.npmCache,
      shown: sessionPath,
      browser: await keptBrowser(),
      cgroups,
      limits,
      ports: portsOf(facts.slot)
    }, signal),
    kill: (facts, signal) => killSandbox(toId(facts), signal),
    remove: (facts, signal) => removeSandbox(toId(facts), signal),
    watch: facts => new SandboxWatch(dirOf(facts)),
    usage: facts => readUsage(cgroups, facts.id),
    totals: facts => readTotals(cgroups, facts.id),
    enter: (facts, argv, options) => enterSandbox(dirOf(facts), facts.account, argv, options)
  } satisfies FastifyInstance['sandboxes'])

  /** The copy of Chromium for a new session. */
  async function keptBrowser (): Promise<string | undefined> {
    try {
      return await browsers.present()
    } catch (err) {
      app.log.warn({ err, plugin: 'sandboxes' }, 'Chromium not kept: an upgrade of it changes the browsers of live sessions when they start again')
      return undefined
    }
  }

  /** Removes the copies of Chromium whose sessions have ended, when the server starts. */
  async function removeBrowsers (): Promise<void> {
    await keptBrowser()
    const inits = await Promise.all(app.registry.live().map(facts => readInit(dirOf(facts))))
    await browsers.removeUnused(inits.flatMap(init => init?.pid ?? [])).catch(err => app.log.warn({ err, plugin: 'sandboxes' }, 'unused copies of Chromium not removed'))
  }

  /** Brings the resolv.conf of each session up to date. A session whose sandbox is not made yet has no such file; it gets the current one when the sandbox is made. */
  function updateResolvers (): void {
    for (const facts of app.registry.live()) {
      updateResolvConf(dirOf(facts), app.resolvers.now().text).catch((err: NodeJS.ErrnoException) => {
        if (err.code !== 'ENOENT') app.log.warn({ err, sessionId: facts.id }, 'resolv.conf of the session not updated')
      })
    }
  }
}

/** The memory that this server and its sessions could have at most, in MiB: the machine's, or a container's where that is less. */
function memoryOfMachine (): number {
  return Math.floor(Math.min(totalmem(), process.constrainedMemory() || Infinity) / 2 ** 20)
}

function refuseWithoutLimits ({ limits, home }: Isolation): void {
  const missing = ['memory', 'pids', 'cpu'].filter(controller => !limits.includes(controller))
  if (home === 'folder') missing.unshift('home')
  if (missing.length === 0) return
  throw new StartRefused(`EX10_STRICT=1 cannot be kept: this host does not limit a session's ${missing.join(', ')}; the log says why, or start without it`)
}

export default fp(sandboxes, { name: 'sandboxes', dependencies: ['config', 'instance', 'registry', 'homes', 'resolvers'] })
