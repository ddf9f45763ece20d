import auditLog from './audit-log.ts'
import statistics from './statistics.ts'

/** The audit log and the statistics. They close after the sessions have ended, so that the last events are written. Each plugin comes after those that it needs. */
export default [auditLog, statistics]
