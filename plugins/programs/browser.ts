import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Browser } from '#domain/sessions/capabilities.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { displayEnv, PROFILE_DIR } from '#domain/programs/display.ts'
import { BrowserChannel } from '#system/programs/browser-channel.ts'
import { answersHttp, waitForHttp } from '#system/kernel/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Chromium, with the person's extension loaded. */
    browser: Browser & {
      /** Starts Chromium again if it is down, on the same profile; resolves when DevTools answers. */
      raise (facts: SessionFacts, signal: AbortSignal): Promise<void>
      answers (facts: SessionFacts, signal: AbortSignal): Promise<boolean>
      /** A way to speak with the browser. `changed` hears the id of each extension whose state or errors change meanwhile. End it with the session. */
      channel (facts: SessionFacts, changed: (id: string) => void): BrowserChannel
    }
  }
}

const VERSION = '/json/version'

async function browser (app: FastifyInstance): Promise<void> {
  app.decorate('browser', {
    async start (facts: SessionFacts, template: Template, signal: AbortSignal) {
      await app.services.start(facts, { name: 'browser', argv: chromiumArgv(facts), env: displayEnv(facts), cwd: facts.account.home }, signal)
      await waitForHttp(facts.slot.devToolsPort, VERSION, signal)
    },
    async raise (facts: SessionFacts, signal: AbortSignal) {
      await app.services.raise(facts, 'browser', signal)
      await waitForHttp(facts.slot.devToolsPort, VERSION, signal)
    },
    answers: (facts: SessionFacts, signal: AbortSignal) => answersHttp(facts.slot.devToolsPort, VERSION, signal),
    channel: (facts: SessionFacts, changed: (id: string) => void) => new BrowserChannel(facts.slot.devToolsPort, changed),
    // quietly: asked to end, Chromium would first write to disk a profile that is about to be deleted
    stop: (facts: SessionFacts, signal: AbortSignal) => app.services.stop(facts, 'browser', signal, true)
  })
}

function chromiumArgv (facts: SessionFacts): string[] {
  const { account, slot, width, height } = facts
  return ['chromium', `--user-data-dir=${account.home}/${PROFILE_DIR}`,
    `--remote-debugging-port=${slot.devToolsPort}`, '--no-first-run', '--no-default-browser-check', '--hide-crash-restore-bubble',
    '--window-position=0,0', `--window-size=${width},${height}`,
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--disable-breakpad',
    // a third of the memory, on a display without GL
    '--disable-gpu', '--in-process-gpu', '--enable-features=NetworkServiceInProcess2', '--renderer-process-limit=1',
    '--disable-features=PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate',
    `http://localhost:${slot.devServerPort}/`] // the start page
}

export default fp(browser, { name: 'browser', dependencies: ['services'] })
