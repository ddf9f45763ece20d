import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { Firewall } from '#domain/sessions/capabilities.ts'
import type { SessionFacts } from '#domain/session.ts'
import { portsOf } from '#domain/machine/slots.ts'
import { shownAs, StartRefused } from '#errors.ts'
import { backendOf } from '#system/firewall/choice.ts'
import { enforce, type EnforcedRules } from '#system/firewall/firewall.ts'
import type { FirewallBackend, OwnPort } from '#system/firewall/backend.ts'

declare module 'fastify' {
  interface FastifyInstance {
    firewall: Firewall & {
      backend: FirewallBackend['name']
      /**
       * Reads the rules and the sessions' ports back from the kernel, and compares them with the expected ones.
       * @throws {Ex10Error} EX10_FIREWALL when the tool is missing or refuses, or anything differs
       */
      verify (signal?: AbortSignal): Promise<void>
      /** The damage of the rules; undefined while they are in force. */
      alarm (): string | undefined
      /** Calls `listener`, which must not throw, when the rules are found damaged (the message says how) and when they are restored. */
      onAlarm (listener: AlarmListener): void
    }
  }
}

export type AlarmListener = (state: 'lost' | 'restored', message: string) => void

/** Damage is repaired at once when it is seen: within 5 s, with time to spare. */
const WATCH_MS = 2000

async function firewall (app: FastifyInstance): Promise<void> {
  let resolvers = app.resolvers.now()
  const backend = await backendOf(app.config, resolvers)
  if (app.config.firewall === 'auto' && backend.name === 'iptables') app.log.warn('this host has no nftables: the firewall is iptables')
  const rules = await start(app, backend)
  const listeners = new Listeners<Parameters<AlarmListener>>()
  const closing = new AbortController()
  let alarm: string | undefined
  let problem = ''

  app.decorate('firewall', {
    backend: backend.name,
    verify: (signal?: AbortSignal) => orRefused(rules.verify(signal), signal),
    alarm: () => alarm,
    onAlarm: (listener: AlarmListener) => { listeners.add(listener) },
    open: (facts: SessionFacts, signal: AbortSignal) => orRefused(rules.open(facts.id, ownPorts(facts), signal), signal),
    close: (facts: SessionFacts, signal: AbortSignal) => rules.close(facts.id, signal)
  })

  const watching = every(WATCH_MS, watch, closing.signal)
  // registered before `sessions`, so it closes after them: without sessions the rules are not needed
  app.addHook('onClose', async () => {
    closing.abort()
    await watching
    if (app.registry.live().length === 0) await rules.release()
  })

  function lost (message: string): void {
    if (message === alarm) return
    alarm = message
    app.log.error({ alarm }, 'firewall lost')
    listeners.tell('lost', message)
  }

  function restored (): void {
    alarm = undefined
    app.log.error('firewall restored')
    listeners.tell('restored', 'The rules are in force again')
  }

  async function watch (): Promise<void> {
    let damage = ''
    try {
      await rules.repair(found => {
        damage = oneLine(found)
        if (!alarm) lost(damage)
      })
      if (alarm) restored()
    } catch (error) {
      lost(`${damage}; cannot be restored yet: ${oneLine((error as Error).message)}`) // the next round tries again
    }
    await followResolvers()
  }

  /** Opens the machine's present resolvers to sessions. While that fails, the earlier ones stay open, and each round tries again. */
  async function followResolvers (): Promise<void> {
    const now = app.resolvers.now()
    if (now === resolvers) return
    try {
      await rules.change(await backendOf({ ...app.config, firewall: backend.name }, now))
      resolvers = now
      problem = ''
      app.log.info({ resolvers4: now.resolvers4, resolvers6: now.resolvers6 }, 'resolvers in force')
    } catch (err) {
      const { message } = err as Error
      if (message !== problem) app.log.error({ err }, 'new resolvers are not in force: the earlier ones stay')
      problem = message
    }
  }
}

async function start ({ config, registry }: FastifyInstance, backend: FirewallBackend): Promise<EnforcedRules> {
  const live = registry.live()
  const ready = live.filter(({ state }) => state === 'ready')
  try {
    return await enforce(backend, new Map(ready.map(session => [session.id, ownPorts(session)])))
  } catch (cause) {
    // remove a partial set of rules, as far as the broken tool can; sessions of an earlier server keep their rules
    if (live.length === 0) await backend.unload().catch(() => {})
    throw new StartRefused(`EX10_FIREWALL=${config.firewall} cannot be used: ${oneLine((cause as Error).message)}; without rules no session may start: install ${config.firewall === 'auto' ? 'nftables' : backend.name}, or choose another one`, { cause })
  }
}

function ownPorts ({ slot, account: { uid } }: SessionFacts): OwnPort[] {
  return portsOf(slot).map(port => ({ uid, port }))
}

/** Turns every failure but an abort into EX10_FIREWALL: without a look at the rules in force no session may start. */
async function orRefused (work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  try {
    await work
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw shownAs(cause, 'FIREWALL')
  }
}

function oneLine (text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

export default fp(firewall, { name: 'firewall', dependencies: ['config', 'registry', 'resolvers'] })
