import events from './events.ts'
import expiry from './expiry.ts'
import supervision from './supervision.ts'

/** The life of a ready session: events, clocks, supervision. Each plugin comes after those that it needs. */
export default [events, expiry, supervision]
