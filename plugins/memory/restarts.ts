import { setTimeout as delay } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { ProgramName } from '#domain/programs/programs.ts'
import type { SessionFacts } from '#domain/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    restarts: {
      /** Starts these programs of a ready session again. Resolves, with whether all answer, when the browser has loaded the extension again. */
      restart (facts: SessionFacts, what: Restarted): Promise<boolean>
    }
  }
}

/** The programs that each restart takes down, one set after the other; those that depend on them follow. */
const ROOTS = {
  browser: [['browser']],
  display: [['xpra']],
  all: [['xvfb'], ['dev-server']]
} as const satisfies Record<string, readonly (readonly ProgramName[])[]>
export type Restarted = keyof typeof ROOTS

/** The time for the browser to load the extension. A build of a project may take longer, and goes on. */
const LOAD_MS = 10_000
const TABS_MS = 3000

async function restarts (app: FastifyInstance): Promise<void> {
  app.decorate('restarts', {
    restart: (facts, what) => app.expiry.during(facts.id, async () => {
      const tabs = what === 'display' ? [] : await app.browserContents.tabs(facts, AbortSignal.timeout(TABS_MS)).catch(() => []) // a browser that hangs
      for (const names of ROOTS[what]) {
        if (!await app.supervision.restart(facts.id, names)) return false
        await loaded(facts)
      }
      await app.browserContents.openTabs(facts, tabs, AbortSignal.timeout(TABS_MS)).catch(err => app.log.warn({ err, sessionId: facts.id }, 'tabs not opened again'))
      return true
    })
  } satisfies FastifyInstance['restarts'])

  async function loaded (facts: SessionFacts): Promise<void> {
    const waited = new AbortController()
    const settled = app.codeUpdates.settled(facts).finally(() => waited.abort())
    await Promise.race([settled, delay(LOAD_MS, undefined, { signal: waited.signal, ref: false }).catch(() => {})])
  }
}

export default fp(restarts, { name: 'restarts', dependencies: ['browser-contents', 'code-updates', 'expiry', 'supervision'] })
