import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Firewall } from '../src/domain/capabilities.ts'
import type { SessionFacts } from '../src/domain/session.ts'
import { portRanges } from '../src/domain/slots.ts'
import { failure, StartRefused } from '../src/errors.ts'
import { ownKey, type FirewallBackend, type OwnPort } from '../src/system/firewall-backend.ts'
import { iptables } from '../src/system/iptables.ts'
import { nftables } from '../src/system/nft.ts'
import { readResolvers } from '../src/system/resolvers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    firewall: Firewall & {
      backend: FirewallBackend['name']
      /**
       * Reads the rules and the open ports back from the kernel and compares them with what they should be.
       * @throws {Ex10Error} EX10_FIREWALL when the tool is missing or refuses, or anything differs
       */
      verify (signal?: AbortSignal): Promise<void>
      /** What is wrong with the rules, until they are restored. */
      alarm (): string | undefined
      /** Calls `listener`, which must not throw, whenever the rules are found damaged (with what is wrong), and when they are restored. */
      onAlarm (listener: AlarmListener): void
    }
  }
}

export type AlarmListener = (state: 'lost' | 'restored', message: string) => void

/** Damage is repaired one read and one load after it is seen: within 5 s, with time to spare. */
const WATCH_MS = 2000

/** What a session may use. While it is being opened or closed, its ports may be there or not. */
interface Opening { own: OwnPort[], isSettled: boolean }

async function firewall (app: FastifyInstance): Promise<void> {
  const { log, registry } = app
  const backend = await chooseBackend(app)
  const openings = new Map<string, Opening>()
  const listeners: AlarmListener[] = []
  let rules = ''
  let alarm: string | undefined
  let tail: Promise<unknown> = Promise.resolve()

  // an earlier server's: they live on while this one takes over
  for (const session of registry.live()) {
    if (session.state === 'ready') openings.set(session.id, { own: ownPorts(session), isSettled: true })
  }

  /** In turn, so that what is read is never half of a change. */
  function inTurn<T> (work: () => Promise<T>): Promise<T> {
    const done = tail.then(work)
    tail = done.catch(() => {}) // its caller's; the next one goes on
    return done
  }

  async function start (): Promise<void> {
    try {
      rules = await backend.expected()
      const isThere = await findDamage().then(damage => !damage, () => false) // usually there is nothing yet, which cannot be read
      if (!isThere) await load()
    } catch (cause) {
      // what can be removed must not stay; the tool that is missing now cannot do that either
      if (registry.live().length === 0) await backend.unload().catch(() => {})
      throw new StartRefused(`EX10_FIREWALL=${app.config.firewall} cannot be used: ${oneLine(cause)}; without rules no session may start: install what is missing, or choose another one`, { cause })
    }
  }

  /** Puts everything in force anew, and reads it back. */
  async function load (): Promise<void> {
    await backend.load([...openings.values()].filter(({ isSettled }) => isSettled).flatMap(({ own }) => own))
    const damage = await findDamage()
    if (damage) throw new Error(`${damage}, although they were just loaded`)
  }

  /** Compares what is in force with what should be; call it in turn. */
  async function findDamage (signal?: AbortSignal): Promise<string | undefined> {
    const loaded = await backend.read(signal)
    if (loaded.rules !== rules) return 'the rules are not as they should be'
    const keys = (wanted: (opening: Opening) => boolean) => new Set([...openings.values()].filter(wanted).flatMap(({ own }) => own.map(ownKey)))
    const missing = keys(({ isSettled }) => isSettled).difference(loaded.own).size
    if (missing > 0) return `${missing} ports of live sessions are closed to them`
    const strange = loaded.own.difference(keys(() => true)).size
    if (strange > 0) return `${strange} ports are open to no live session`
  }

  async function assertInForce (signal?: AbortSignal): Promise<void> {
    const damage = await findDamage(signal)
    if (damage) throw new Error(damage)
  }

  async function restoreIfDamaged (): Promise<void> {
    try {
      const damage = await findDamage()
      if (damage) {
        raise(damage)
        await load()
      }
      if (alarm) restored()
    } catch (error) {
      raise(oneLine(error)) // the next round tries again
    }
  }

  function raise (message: string): void {
    if (alarm === message) return
    alarm = message
    log.error({ alarm }, 'firewall lost')
    for (const listener of listeners) listener('lost', message)
  }

  function restored (): void {
    alarm = undefined
    log.error('firewall restored')
    for (const listener of listeners) listener('restored', 'the rules are in force again')
  }

  await inTurn(start)
  let isWatching = false
  const watch = setInterval(async () => {
    if (isWatching) return
    isWatching = true
    await inTurn(() => restoreIfDamaged())
    isWatching = false
  }, WATCH_MS).unref()

  // registered before `sessions`, so it closes after them; without sessions nobody needs the rules
  app.addHook('onClose', async () => {
    clearInterval(watch)
    await inTurn(async () => {
      if (registry.live().length === 0) await backend.unload()
    })
  })

  app.decorate('firewall', {
    backend: backend.name,
    alarm: () => alarm,
    onAlarm (listener: AlarmListener) { listeners.push(listener) },
    verify: (signal?: AbortSignal) => inTurn(() => orRefused(signal, () => assertInForce(signal))),
    open: (facts: SessionFacts, signal: AbortSignal) => inTurn(() => orRefused(signal, async () => {
      const opening = { own: ownPorts(facts), isSettled: false }
      openings.set(facts.id, opening)
      await backend.add(opening.own, signal)
      opening.isSettled = true
      await assertInForce(signal)
    })),
    close: (facts: SessionFacts, signal: AbortSignal) => inTurn(async () => {
      const own = ownPorts(facts)
      openings.set(facts.id, { own, isSettled: false })
      await backend.remove(own, signal)
      openings.delete(facts.id)
    })
  })
}

async function chooseBackend ({ config }: FastifyInstance): Promise<FirewallBackend> {
  const { instance, uidMin, uidMax, portBase, slots } = config
  const options = { instance, uidMin, uidMax, portRanges: portRanges(portBase, slots), ...await readResolvers() }
  return config.firewall === 'iptables' ? iptables(options) : nftables(options)
}

function ownPorts ({ slot, account: { uid } }: SessionFacts): OwnPort[] {
  return [slot.displayPort, slot.devServerPort, slot.devToolsPort].map(port => ({ uid, port }))
}

/** Whatever keeps the rules from being seen in force, no session may start. */
async function orRefused<T> (signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw failure('FIREWALL', { cause })
  }
}

function oneLine (error: unknown): string {
  return (error as Error).message.replaceAll(/\s+/g, ' ')
}

export default fp(firewall, { name: 'firewall', dependencies: ['config', 'registry'] })
