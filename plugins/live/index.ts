import events from './events.ts'
import expiry from './expiry.ts'
import supervision from './supervision.ts'

/** What happens to a session while it lives. Each plugin comes after those that it needs. */
export default [events, expiry, supervision]
