import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'

/** A span, as it arrived. */
export interface ArrivedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  ms: number
  attributes: Record<string, unknown>
  /** Whether its status is that of an error. */
  isError: boolean
  /** The spans that it is linked to. */
  links: string[]
  /** The service that sent it. */
  service: unknown
}

export interface Collector {
  /** The value of OTEL_EXPORTER_OTLP_ENDPOINT. */
  endpoint: string
  spans: ArrivedSpan[]
}

interface KeyValue { key: string, value: Record<string, unknown> }

/** ExportTraceServiceRequest in JSON: opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. */
interface ExportRequest {
  resourceSpans: {
    resource: { attributes: KeyValue[] }
    scopeSpans: { spans: (Pick<ArrivedSpan, 'traceId' | 'spanId' | 'parentSpanId' | 'name'> & { startTimeUnixNano: string, endTimeUnixNano: string, attributes: KeyValue[], status: { code?: number }, links?: { spanId: string }[] })[] }[]
  }[]
}

/** A collector that takes OTLP over HTTP, in JSON, and keeps the spans. With `isDeaf`, it takes requests and never answers. */
export async function startCollector (t: Test, { isDeaf = false } = {}): Promise<Collector> {
  const spans: ArrivedSpan[] = []
  const server = createServer(async (request, response) => {
    if (isDeaf) return
    if (request.method !== 'POST' || request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/json') return response.writeHead(400).end()
    spans.push(...spansOf(await json(request) as ExportRequest))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

function spansOf ({ resourceSpans }: ExportRequest): ArrivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(span => ({
    ...span,
    ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
    attributes: plain(span.attributes),
    isError: span.status.code === 2,
    links: (span.links ?? []).map(({ spanId }) => spanId),
    service: plain(resource.attributes)['service.name']
  }))))
}

function plain (attributes: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
