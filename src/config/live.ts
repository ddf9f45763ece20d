import { Type } from '@sinclair/typebox'
import { seconds } from './setting.ts'

/** How long a session lives. */
export const live = {
  idleTimeout: seconds({ default: 3600, description: 'How long a session lives without being used, seconds; 0 is for ever' }),
  sessionTimeout: seconds({ default: 0, description: 'How long a session lives at most, seconds; 0 is for ever' }),
  connectTimeout: seconds({ default: 600, description: 'How long a new session waits to be viewed or used for the first time, seconds; 0 is for ever' }),
  givenUpTimeout: seconds({ default: 600, description: 'How long a session lives after its display or browser was given up, unless that comes back, seconds; 0 is for ever' }),
  expiryWarning: seconds({ default: 60, description: 'How long before such an end the session warns of it, seconds; 0 means no warning' }),
  checkInterval: Type.Number({
    minimum: 0.2,
    maximum: 3600,
    default: 60,
    description: 'How often all sessions are checked for expiry, seconds. A session that is due is checked on time'
  }),
  viewerCounts: Type.Boolean({ default: false, description: 'A session with a viewer counts as used, even when the viewer does nothing' })
}
