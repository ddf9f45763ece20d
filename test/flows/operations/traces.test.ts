import t from 'tap'
import { STEPS, UNDONE_STEPS } from '#domain/sessions/steps.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { startCollector, type ArrivedSpan } from '#support/operations/collector.ts'
import { assertEndsClean, beginCreation, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { INSPECTED, inspect } from '#support/servers/inspector.ts'
import { createSession, endSession, eventually, type Server } from '#support/servers/server.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
/** Spans are sent soon, and a collector that does not answer is given up soon. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '500' }

/** The end of a step's name. */
const stepOf = ({ name }: ArrivedSpan) => name.split('.')[2]

t.test('a creation is one trace with its steps, in the trace of its request; so is a teardown, and what failed says why', async t => {
  const { endpoint, spans } = await startCollector(t)
  const server = await serve(t, { ...lightDisplay(), OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test', EX10_FAILPOINT: 'home:before:throw', ...SOON })
  const traced: Server = { ...server, headers: { traceparent: `00-${TRACE}-${PARENT}-01` } }
  const failed = (await (await beginCreation(server)).end()).at(-1)
  t.match(failed, { status: 'error', data: { code: 'EX10_STEP_FAILED' } })
  const { id } = await createSession(traced)
  const { id: other } = await createSession(server)
  t.equal((await endSession(server, id)).status, 200)
  await assertEndsClean(t, server)

  const one = (name: string, sessionId: string) => spans.find(span => span.name === name && span.attributes['ex10.session.id'] === sessionId)!
  const below = (span: ArrivedSpan) => spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)
  const creation = one('session.creation', id)
  const request = spans.find(({ spanId }) => spanId === creation.parentSpanId)
  t.match(request, { name: 'GET /createSession', traceId: TRACE, parentSpanId: PARENT, attributes: { 'http.response.status_code': 200 } })
  t.match(creation, { traceId: TRACE, isError: false, service: 'ex10', attributes: { 'ex10.outcome': 'ok' } })
  t.strictSame(below(creation).map(stepOf).toSorted(), [...STEPS].sort(), 'every step is a span below it')
  for (const step of below(creation)) t.match(step, { traceId: TRACE, isError: false, attributes: { 'ex10.outcome': 'ok' } }, step.name)
  t.ok(below(creation).every(({ ms }) => ms <= creation.ms))

  const teardown = one('session.teardown', id)
  t.match(teardown, { attributes: { 'ex10.reason': 'deleted', 'ex10.outcome': 'ok' }, links: [creation.spanId] }, 'a teardown is linked to the creation')
  t.match(spans.find(({ spanId }) => spanId === teardown.parentSpanId), { name: 'DELETE /session/:id' })
  t.strictSame(below(teardown).map(stepOf).toSorted(), [...UNDONE_STEPS, 'reserve', 'ended'].sort())
  const last = one('session.teardown', other)
  t.match(last, { parentSpanId: undefined, attributes: { 'ex10.reason': 'shutdown' } }, 'what ends with the server is sent before the end, as a trace of its own')

  const broken = spans.find(({ name, isError }) => name === 'session.creation' && isError)!
  t.match(broken, { attributes: { 'ex10.outcome': 'EX10_STEP_FAILED' } })
  t.match(below(broken).filter(({ isError }) => isError), [{ name: 'session.creation.home', attributes: { 'ex10.outcome': 'EX10_STEP_FAILED' } }])
  t.ok(below(broken).some(({ name }) => name === 'session.teardown'), 'its teardown is in the same trace')
  t.notOk(spans.some(({ attributes }) => String(attributes['url.path']).includes('?')), 'no query of a request is sent')
})

t.test('a collector that is away or never answers delays nothing and is told of once', async t => {
  for (const endpoint of [`http://127.0.0.1:${await freePort()}`, (await startCollector(t, { isDeaf: true })).endpoint]) {
    const server = await serve(t, { ...lightDisplay(), OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...SOON })
    const told = () => server.output().split('traces not sent').length - 1
    const { id } = await createSession(server)
    await eventually('a word about the collector', () => told() > 0, 20_000)
    await endSession(server, id)
    await createSession(server)
    const endsAt = performance.now()
    await assertEndsClean(t, server)
    t.ok(performance.now() - endsAt < 15_000, 'the server ends in time')
    t.equal(told(), 1)
  }
})

t.test('without a collector nothing of OpenTelemetry\'s SDK is loaded', async t => {
  const loaded = async (settings: Record<string, string>) => {
    const server = await serve(t, { ...lightDisplay(), ...INSPECTED, ...settings })
    const { result } = await inspect(server, 'Runtime.evaluate', { expression: 'Object.keys(process.getBuiltinModule("module")._cache).filter(path => /sdk-trace|fastify\\/otel/.test(path)).length' })
    await assertEndsClean(t, server)
    return Number(result.value)
  }
  t.equal(await loaded({}), 0)
  t.ok(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: (await startCollector(t)).endpoint }) > 0, 'the control')
})
