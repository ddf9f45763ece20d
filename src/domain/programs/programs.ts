import { DISPLAY, AUTHORITY_FILE, DISPLAY_NUMBER, displayEnv, PROFILE_DIR } from './display.ts'
import { extensionId } from './extension-id.ts'
import type { CrashLimit } from './crash-loop.ts'
import type { Launch, Program } from './program.ts'
import { xAuthority } from './x-authority.ts'

/** The limit of programs that the session needs: they are restarted at once. */
const AT_ONCE: CrashLimit = { deaths: 5, pausesMs: [0] }
const DISPLAY_STEP = { name: 'display', message: 'Starting the display' } as const

/** The largest size that a viewer's page can give the display. Windows outside it are drawn, but cannot be clicked. */
const MAXIMUM_SCREEN = '3840x2160x24+32'

/**
 * The programs of a session, with everything that the server knows of each. They start and restart in this order: Xpra needs
 * an X server, and Chromium may open its window only when Xpra has the display. The names are also names of folders of live
 * sessions. Clients read the names and the steps.
 */
const TABLE = {
  xvfb: {
    title: 'The X server',
    step: DISPLAY_STEP,
    argv: ({ facts }) => ['Xvfb', DISPLAY, '-extension', 'GLX', '+extension', 'Composite', '-screen', '0', MAXIMUM_SCREEN,
      '-nolisten', 'tcp', '-nolisten', 'local', '-noreset', '-auth', displayEnv(facts).XAUTHORITY, '-displayfd', '3'],
    env: ({ facts }) => displayEnv(facts),
    files: () => [{ path: AUTHORITY_FILE, content: xAuthority(DISPLAY_NUMBER) }],
    notifies: true,
    crashLimit: AT_ONCE,
    isVital: true,
    needs: []
  },
  xpra: {
    title: 'The display',
    step: DISPLAY_STEP,
    argv: ({ facts }) => ['xpra', 'start', DISPLAY, '--use-display', '--daemon=no', `--bind-tcp=127.0.0.1:${facts.slot.displayPort}`, '--html=on', '--mdns=no',
      '--sharing=yes', '--notifications=no', '--bell=no', '--cursors=yes', '--clipboard=yes', '--system-tray=no',
      '--speaker=disabled', '--microphone=disabled', '--pulseaudio=no', '--webcam=no', '--printing=no', '--file-transfer=no', '--open-url=no',
      '--start-new-commands=no', '--dbus-launch=', '--dbus-proxy=no', '--dbus-control=no', '--systemd-run=no', '--xsettings=no', '--ssh=no',
      // the web client uses pictures only: unused codecs would cost memory
      '--video-encoders=none', '--csc-modules=none', '--video-decoders=none', '--encodings=rgb,png,jpeg,webp', '--opengl=no'],
    env: ({ facts }) => ({ ...displayEnv(facts), XPRA_SYSTEM_CONF_DIRS: '/nonexistent' }),
    answersAt: { port: 'displayPort', path: '/index.html' },
    crashLimit: AT_ONCE,
    isVital: true,
    needs: ['xvfb'],
    hasPublicLog: true
  },
  browser: {
    title: 'Chromium',
    step: { name: 'browser', message: 'Starting Chromium with the extension' },
    argv: ({ facts: { account, slot, width, height } }) => ['chromium', `--user-data-dir=${account.home}/${PROFILE_DIR}`,
      `--remote-debugging-port=${slot.devToolsPort}`, '--no-first-run', '--no-default-browser-check', '--hide-crash-restore-bubble',
      '--window-position=0,0', `--window-size=${width},${height}`,
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--disable-breakpad',
      // saves a third of the memory, on a display without GL
      '--disable-gpu', '--in-process-gpu', '--enable-features=NetworkServiceInProcess2', '--renderer-process-limit=1',
      '--disable-features=PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,Translate',
      `http://localhost:${slot.devServerPort}/`], // the start page
    env: ({ facts }) => displayEnv(facts),
    inHome: true,
    files: launch => [{ path: `${PROFILE_DIR}/Default/Preferences`, content: Buffer.from(preferences(launch)) }],
    answersAt: { port: 'devToolsPort', path: '/json/version' },
    crashLimit: AT_ONCE,
    isVital: true,
    needs: ['xvfb'],
    diesWithSandbox: true, // when asked to end, Chromium would first write a profile to disk that is about to be deleted
    hasPublicLog: true
  },
  'dev-server': {
    title: 'The dev server',
    step: { name: 'dev-server', message: 'Waiting for the dev server' },
    argv: ({ facts, template, store }) => {
      const words: Record<string, string> = { $PORT: String(facts.slot.devServerPort), $STORE: store }
      return template.dev.map(word => word.replace(/\$[A-Z]+/g, name => words[name] ?? name))
    },
    env: ({ npmRegistry }): Record<string, string> => npmRegistry ? { EX10_NPM_REGISTRY: npmRegistry } : {},
    inHome: true,
    answersAt: { port: 'devServerPort', path: '/' },
    crashLimit: { deaths: 10, pausesMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }, // pushed code may break it until the next push
    needs: [],
    hasPublicLog: true
  }
} as const satisfies Record<string, Program>

/** Chromium's first preferences: the developer mode, without which dev tools lose the extension at its first reload, and its icon in the toolbar. */
function preferences ({ facts, template }: Launch): string {
  const id = extensionId(`${facts.account.home}/${template.extensionDir}`)
  return JSON.stringify({ extensions: { ui: { developer_mode: true }, pinned_extensions: [id] } })
}

export type ProgramName = keyof typeof TABLE
export type ProgramStep = typeof TABLE[ProgramName]['step']['name']

export const PROGRAMS: Readonly<Record<ProgramName, Program<ProgramName>>> = TABLE
export const PROGRAM_NAMES = Object.keys(TABLE) as ProgramName[]

const MESSAGES = new Map(PROGRAM_NAMES.map(name => [TABLE[name].step.name, TABLE[name].step.message]))

/** The steps of a creation that start programs, in their order. */
export const PROGRAM_STEPS = [...MESSAGES.keys()]

/** The programs whose output clients may read. */
export const LOG_SOURCES = PROGRAM_NAMES.filter(name => PROGRAMS[name].hasPublicLog)

export function isProgramName (name: string): name is ProgramName {
  return Object.hasOwn(TABLE, name)
}

/** The programs that a step starts, in their order. */
export function programsOf (step: ProgramStep): ProgramName[] {
  return PROGRAM_NAMES.filter(name => TABLE[name].step.name === step)
}

/** The progress message of the step. */
export function stepMessageOf (step: ProgramStep): string {
  return MESSAGES.get(step)!
}

/** A record with the result of `work` for each step that starts programs. */
export function byProgramStep<Work> (work: (step: ProgramStep) => Work): Record<ProgramStep, Work> {
  return Object.fromEntries(PROGRAM_STEPS.map(step => [step, work(step)])) as Record<ProgramStep, Work>
}

/** The programs that depend on this one, in the order of their restart. */
export function dependantsOf (name: ProgramName): ProgramName[] {
  return PROGRAM_NAMES.filter(other => PROGRAMS[other].needs.includes(name))
}
