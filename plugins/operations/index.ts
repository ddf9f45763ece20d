import auditLog from './audit-log.ts'
import statistics from './statistics.ts'

/** Who did what, and how many. Closed after the sessions have ended, so that their last events are written. Each plugin comes after those that it needs. */
export default [auditLog, statistics]
