import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'
import { REQUEST_ID } from './answer-headers.ts'

/** The forms of usual ids: UUIDs, hex, trace ids. The log and headers hold them as they are. */
const ID = /^[\w.:=+/@-]{1,128}$/

/**
 * Returns the function that gives a request its id: the one in its `x-request-id`, when a trusted proxy sends it and it is
 * well-formed, else a new one. A request that is given again has the same id.
 */
export function requestIds (trustProxy: string[]): (request: IncomingMessage) => string {
  const isTrusted = proxyAddr.compile(trustProxy)
  const ids = new WeakMap<IncomingMessage, string>()
  return request => {
    const id = ids.get(request) ?? sentId(request) ?? randomUUID()
    ids.set(request, id)
    return id
  }

  function sentId ({ headers, socket: { remoteAddress } }: IncomingMessage): string | undefined {
    const sent = headers[REQUEST_ID]
    return typeof sent === 'string' && ID.test(sent) && remoteAddress !== undefined && isTrusted(remoteAddress, 0) ? sent : undefined
  }
}
