import type { CrashLimit } from './crash-loop.ts'

/** The programs that s6 runs in every session. */
export const SERVICES = ['xvfb', 'xpra', 'browser', 'dev-server'] as const

export type ServiceName = typeof SERVICES[number]

/** What a person calls them. */
export const SERVICE_TITLES: Record<ServiceName, string> = {
  xvfb: 'The X server', xpra: 'The display', browser: 'Chromium', 'dev-server': 'The dev server'
}

/** A session is no use without its display and browser, so they come back at once; a dev server may be waiting for better code. */
export const CRASH_LIMITS: Record<ServiceName, CrashLimit> = {
  xvfb: { deaths: 5, pausesMs: [0] },
  xpra: { deaths: 5, pausesMs: [0] },
  browser: { deaths: 5, pausesMs: [0] },
  'dev-server': { deaths: 10, pausesMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }
}

export function isServiceName (name: string): name is ServiceName {
  return SERVICES.includes(name as ServiceName)
}
