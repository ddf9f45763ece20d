import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Xpra } from '#domain/sessions/capabilities.ts'
import type { SessionFacts } from '#domain/session.ts'
import { answersHttp, waitForHttp } from '#system/kernel/tcp.ts'
import { DISPLAY, displayEnv } from '#domain/programs/display.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The session's display: an X server, and Xpra, which shows it to web pages. */
    xpra: Xpra & {
      /** Starts the X server again if it is down; resolves when it takes clients. */
      raiseServer (facts: SessionFacts, signal: AbortSignal): Promise<void>
      /** Starts Xpra again if it is down, on the X server that is there; resolves when it answers. */
      raise (facts: SessionFacts, signal: AbortSignal): Promise<void>
      answers (facts: SessionFacts, signal: AbortSignal): Promise<boolean>
    }
  }
}

/** The largest that a viewer's page can make the display: what lies outside is drawn, but cannot be clicked. */
const MAXIMUM_SCREEN = '3840x2160x24+32'
const PAGE = '/index.html'

async function xpra (app: FastifyInstance): Promise<void> {
  app.decorate('xpra', {
    async start (facts: SessionFacts, signal: AbortSignal) {
      await app.services.start(facts, { name: 'xvfb', argv: xvfbArgv(facts), env: displayEnv(facts), notifies: true }, signal)
      await app.services.start(facts, { name: 'xpra', argv: xpraArgv(facts), env: { ...displayEnv(facts), XPRA_SYSTEM_CONF_DIRS: '/nonexistent' } }, signal)
      await waitForHttp(facts.slot.displayPort, PAGE, signal)
    },
    raiseServer: (facts: SessionFacts, signal: AbortSignal) => app.services.raise(facts, 'xvfb', signal, true),
    async raise (facts: SessionFacts, signal: AbortSignal) {
      await app.services.raise(facts, 'xpra', signal)
      await waitForHttp(facts.slot.displayPort, PAGE, signal)
    },
    answers: (facts: SessionFacts, signal: AbortSignal) => answersHttp(facts.slot.displayPort, PAGE, signal),
    async stop (facts: SessionFacts, signal: AbortSignal) {
      await app.services.stop(facts, 'xpra', signal)
      await app.services.stop(facts, 'xvfb', signal)
    }
  })
}

function xvfbArgv (facts: SessionFacts): string[] {
  return ['Xvfb', DISPLAY, '-extension', 'GLX', '+extension', 'Composite', '-screen', '0', MAXIMUM_SCREEN,
    '-nolisten', 'tcp', '-nolisten', 'local', '-noreset', '-auth', displayEnv(facts).XAUTHORITY, '-displayfd', '3']
}

function xpraArgv ({ slot }: SessionFacts): string[] {
  return ['xpra', 'start', DISPLAY, '--use-display', '--daemon=no', `--bind-tcp=127.0.0.1:${slot.displayPort}`, '--html=on', '--mdns=no',
    '--sharing=yes', '--notifications=no', '--bell=no', '--cursors=yes', '--clipboard=yes', '--system-tray=no',
    '--speaker=disabled', '--microphone=disabled', '--pulseaudio=no', '--webcam=no', '--printing=no', '--file-transfer=no', '--open-url=no',
    '--start-new-commands=no', '--dbus-launch=', '--dbus-proxy=no', '--dbus-control=no', '--systemd-run=no', '--xsettings=no', '--ssh=no',
    // the web client takes pictures: codecs that it does not use cost memory
    '--video-encoders=none', '--csc-modules=none', '--video-decoders=none', '--encodings=rgb,png,jpeg,webp', '--opengl=no']
}

export default fp(xpra, { name: 'xpra', dependencies: ['services'] })
