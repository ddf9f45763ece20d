import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Browser } from '../src/domain/capabilities.ts'
import type { SessionFacts, Template } from '../src/domain/session.ts'
import { displayEnv } from '../src/domain/display.ts'
import { extensionId, waitForServiceWorker } from '../src/system/devtools.ts'
import { waitForHttp } from '../src/system/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Chromium, with the person's extension loaded. */
    browser: Browser
  }
}

async function browser (app: FastifyInstance): Promise<void> {
  app.decorate('browser', {
    async start (facts: SessionFacts, template: Template, signal: AbortSignal) {
      await app.sandboxes.startService(facts, { name: 'browser', argv: chromiumArgv(facts, template), env: displayEnv(facts), cwd: facts.account.home }, signal)
      await waitForHttp(facts.slot.devToolsPort, '/json/version', signal)
    },
    waitForExtension: (facts: SessionFacts, template: Template, signal: AbortSignal) =>
      waitForServiceWorker(facts.slot.devToolsPort, extensionId(`${facts.account.home}/${template.extensionDir}`), signal),
    stop: (facts: SessionFacts, signal: AbortSignal) => app.sandboxes.stopService(facts, 'browser', signal)
  })
}

function chromiumArgv ({ account, slot, width, height }: SessionFacts, template: Template): string[] {
  return ['chromium', `--user-data-dir=${account.home}/${PROFILE_DIR}`, `--load-extension=${account.home}/${template.extensionDir}`,
    `--remote-debugging-port=${slot.devToolsPort}`, '--no-first-run', '--no-default-browser-check', '--window-position=0,0', `--window-size=${width},${height}`,
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--disable-breakpad',
    // a third of the memory, on a display without GL
    '--disable-gpu', '--in-process-gpu', '--enable-features=NetworkServiceInProcess2', '--renderer-process-limit=1',
    '--disable-features=PreloadTopChromeWebUI,SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate',
    'about:blank']
}

/** Chromium's profile, relative to the home. */
export const PROFILE_DIR = 'profile'

export default fp(browser, { name: 'browser', dependencies: ['sandboxes'] })
