import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context, Span, SpanContext } from '@opentelemetry/api'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node'
import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { WorkNews } from '#domain/operations/work.ts'
import { version } from '#version.ts'

/** The end reasons that a request brings about: its trace has the teardown, too. */
const BY_REQUEST = ['deleted', 'killed', 'violation']
/** The methods of requests that are traced, beside GET /createSession. */
const CHANGES = ['POST', 'PUT', 'PATCH', 'DELETE']
/** How long the server's end waits for the collector. */
const FLUSH_MS = 2000

/**
 * Sends traces to an OpenTelemetry collector: one of each creation, with its steps, and of each teardown. A trace that
 * the request's `traceparent` names is continued. Loads nothing where no collector is set.
 */
async function traces (app: FastifyInstance): Promise<void> {
  if (app.config.otelExporterOtlpEndpoint === '') return
  const [api, { FastifyOtelInstrumentation }, { OTLPTraceExporter }, { defaultResource, detectResources, envDetector, resourceFromAttributes }, { BatchSpanProcessor, NodeTracerProvider }] = await Promise.all([
    import('@opentelemetry/api'), import('@fastify/otel'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/resources'), import('@opentelemetry/sdk-trace-node')
  ])
  const own = resourceFromAttributes({ 'service.name': 'ex10', 'service.version': version, 'service.instance.id': app.config.instance })
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(own).merge(detectResources({ detectors: [envDetector] })), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first
    spanProcessors: [new BatchSpanProcessor(tellingOnce(new OTLPTraceExporter(), app.log))] // reads its address, headers and time limit from OTEL_EXPORTER_OTLP_…
  })
  provider.register()
  const tracer = provider.getTracer('ex10', version)
  const open = new Map<string, { span: Span, context: Context }>() // by work and session
  const made = new Map<string, SpanContext>() // creations of the present sessions

  const requests = new FastifyOtelInstrumentation({
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    ignorePaths: ({ url, method }) => !(url.startsWith('/createSession') || [method].flat().some(name => CHANGES.includes(name))),
    requestHook (span, { method, routeOptions: { url = 'unknown' } }) {
      span.updateName(`${method} ${url}`)
      span.setAttribute('url.path', url) // the route's, not the request's: a path may hold a link's token, or a user's name
    }
  })
  requests.setTracerProvider(provider)
  await app.register(requests.plugin())
  // the parser of a body has lost the request's context
  app.addHook('preHandler', (request, _reply, done) => {
    const { context } = request.opentelemetry()
    if (context) api.context.with(context, done)
    else done()
  })

  app.audit.own('trace', () => made.keys())
  app.work.observe(news => {
    if (news.type === 'begun') begin(news)
    else if (news.type === 'step') addStep(news)
    else end(news)
  })
  app.addHook('onClose', async () => {
    await Promise.race([provider.shutdown(), delay(FLUSH_MS, undefined, { ref: false })]).catch(() => {}) // the exporter has told it
    for (const part of [api.trace, api.context, api.propagation]) part.disable()
  })

  function begin ({ sessionId, work, reason }: WorkNews & { type: 'begun' }): void {
    const creation = made.get(sessionId)
    const span = tracer.startSpan(`session.${work}`, {
      attributes: { 'ex10.session.id': sessionId, ...(reason !== undefined && { 'ex10.reason': reason }) },
      links: work === 'teardown' && creation ? [{ context: creation }] : []
    }, parentOf(sessionId, work, reason))
    open.set(`${work} ${sessionId}`, { span, context: api.trace.setSpan(api.ROOT_CONTEXT, span) })
  }

  /** A teardown that no request asks for has a trace of its own: a timer or a queue may have kept the context of any request. */
  function parentOf (sessionId: string, work: WorkNews['work'], reason = ''): Context {
    const failing = work === 'teardown' && open.get(`creation ${sessionId}`)
    if (failing) return failing.context
    return work === 'creation' || BY_REQUEST.includes(reason) ? api.context.active() : api.ROOT_CONTEXT
  }

  function addStep ({ sessionId, work, step, ms, code }: WorkNews & { type: 'step' }): void {
    const whole = open.get(`${work} ${sessionId}`) ?? open.get(`creation ${sessionId}`) // a refused creation undoes its reservation
    if (!whole) return
    const endTime = performance.timeOrigin + performance.now()
    const span = tracer.startSpan(`session.${work}.${step}`, { startTime: endTime - ms, attributes: { 'ex10.step': step } }, whole.context)
    noteOutcome(span, code)
    span.end(endTime)
  }

  function end ({ sessionId, work, code }: WorkNews & { type: 'over' }): void {
    const span = open.get(`${work} ${sessionId}`)?.span
    if (!span) return
    noteOutcome(span, code)
    span.end()
    open.delete(`${work} ${sessionId}`)
    if (work === 'creation' && code === undefined) made.set(sessionId, span.spanContext())
    if (work === 'teardown' && code === undefined) made.delete(sessionId)
  }

  function noteOutcome (span: Span, code: string | undefined): void {
    span.setAttribute('ex10.outcome', code ?? 'ok')
    if (code !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: code })
  }
}

/** The exporter, with one warning when the collector cannot be reached, and a line when it can again. Unsent traces are lost. */
function tellingOnce (exporter: SpanExporter, log: FastifyBaseLogger): SpanExporter {
  let isAway = false
  return {
    export (spans: ReadableSpan[], done) {
      exporter.export(spans, result => {
        if (result.error && !isAway) log.warn({ err: result.error }, 'traces not sent: the collector does not take them')
        if (!result.error && isAway) log.info('traces are sent again')
        isAway = result.error !== undefined
        done({ code: 0 }) // the processor would log each failure
      })
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown()
  }
}

export default fp(traces, { name: 'traces', dependencies: ['config', 'audit', 'work'] })
