import { once } from 'node:events'
import type { Server } from './server.ts'

/** For `serve`: the server listens for a debugger. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

/** Where the debugger of a server listens that was started with INSPECTED. */
export function debuggerOf (server: Server): string {
  const address = /ws:\/\/127\.0\.0\.1:\S+/.exec(server.output())?.[0]
  if (!address) throw new Error('the server was not started with INSPECTED')
  return address
}

/** Asks the server's debugger. */
export async function inspect (server: Server, method: string, params: object = {}): Promise<Record<string, any>> {
  const socket = new WebSocket(debuggerOf(server))
  try {
    await once(socket, 'open')
    socket.send(JSON.stringify({ id: 1, method, params }))
    const [{ data }] = await once(socket, 'message') as [MessageEvent]
    const { result, error } = JSON.parse(String(data))
    if (error || result.exceptionDetails) throw new Error(JSON.stringify(error ?? result.exceptionDetails))
    return result
  } finally {
    socket.close()
  }
}

/** Sets one of the server's clocks forward; no other clock, and no timer, knows of it. */
export async function setForward (server: Server, clock: 'Date' | 'performance', ms: number): Promise<void> {
  await inspect(server, 'Runtime.evaluate', { expression: `(({ now }) => { ${clock}.now = () => now.call(${clock}) + ${ms} })(${clock})` })
}
