import analytics from './analytics.ts'
import auditLog from './audit-log.ts'
import machineMetrics from './machine-metrics.ts'
import metricsPort from './metrics-port.ts'
import metrics from './metrics.ts'
import sessionMetrics from './session-metrics.ts'
import statistics from './statistics.ts'
import summaries from './summaries.ts'
import traces from './traces.ts'
import traffic from './traffic.ts'
import usageMetrics from './usage-metrics.ts'
import work from './work.ts'

/**
 * The audit log, statistics, metrics and traces. They close after the sessions have ended, so that the last events are
 * written. Each plugin comes after those that it needs.
 */
export default [auditLog, statistics, work, analytics, summaries, metrics, sessionMetrics, machineMetrics, usageMetrics, traffic, metricsPort, traces]
