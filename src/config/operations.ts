import { Type } from '@sinclair/typebox'
import { portRanges } from '#domain/machine/slots.ts'
import type { http } from './http.ts'
import type { machine } from './machine.ts'
import { BadSetting, type Values } from './setting.ts'

/** How operators watch the server. */
export const operations = {
  metricsTokenFile: Type.String({
    default: '',
    pattern: '^(/[^\\0\\n]+)?$',
    wanted: 'an absolute path, such as /etc/ex10/metrics-token',
    description: 'File with a token for `GET /metrics` alone, which only root may be able to read; empty: only admins may read the metrics there'
  }),
  metricsPort: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 0,
    description: 'Port on 127.0.0.1 that answers `GET /metrics` without a credential; 0: none'
  }),
  otelExporterOtlpEndpoint: Type.String({
    default: '',
    pattern: '^(https?://\\S+)?$',
    wanted: 'an address, such as http://127.0.0.1:4318',
    description: 'Address of an OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; empty: no traces'
  }),
  tracking: Type.Boolean({ default: true, description: 'Count what each session does and uses, for its owner and for admins' }),
  costPerHour: Type.Number({ minimum: 0, default: 0, description: 'The price of an hour of a session, in a currency of your choice, for the estimated cost in the analytics; 0: no estimate' })
}

export function checkOperations ({ metricsPort, port, portBase, slots }: Values<typeof operations & typeof machine & typeof http>): void {
  if (metricsPort === 0) return
  if (metricsPort === port) throw new BadSetting(`EX10_METRICS_PORT=${metricsPort} cannot be used: the server itself has it as EX10_PORT; give another one`)
  const range = portRanges(portBase, slots).find(([first, last]) => metricsPort >= first && metricsPort <= last)
  if (range) throw new BadSetting(`EX10_METRICS_PORT=${metricsPort} cannot be used: sessions have the ports ${range.join('-')}; give another one`)
}
