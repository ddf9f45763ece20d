import type { Account } from '#domain/session.ts'

/** Every session's display: each has its own /tmp/.X11-unix, so all can have the same number. */
export const DISPLAY_NUMBER = 10
export const DISPLAY = `:${DISPLAY_NUMBER}`

/** The X authority file, relative to the home. */
export const AUTHORITY_FILE = '.Xauthority'

/** Chromium's profile, relative to the home. */
export const PROFILE_DIR = 'profile'

/** The environment that a program needs to use the session's display. */
export function displayEnv ({ account }: { account: Account }): { DISPLAY: string, XAUTHORITY: string } {
  return { DISPLAY, XAUTHORITY: `${account.home}/${AUTHORITY_FILE}` }
}
