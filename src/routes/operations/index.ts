import drain from './drain.ts'
import endUserSessions from './end-user-sessions.ts'
import getAuditLog from './get-audit-log.ts'
import getAudit from './get-audit.ts'
import getMetrics from './get-metrics.ts'
import getSessionAnalytics from './get-session-analytics.ts'
import getStatistics from './get-statistics.ts'
import getUsage from './get-usage.ts'
import health from './health.ts'
import listAllSessions from './list-all-sessions.ts'
import ready from './ready.ts'

export default [
  getAudit, health, ready, listAllSessions, endUserSessions, getStatistics, getSessionAnalytics, getUsage, getMetrics, getAuditLog, drain
]
