import { createServer } from 'node:net'
import { until } from './processes.ts'

/** Whether nobody listens on this port of 127.0.0.1, found out by binding it. */
export async function isPortFree (port: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => error.code === 'EADDRINUSE' ? resolve(false) : reject(error))
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  return promise
}

/** Resolves when `http://127.0.0.1:port/path` answers 2xx. Rejects with the signal's reason. */
export async function waitForHttp (port: number, path: string, signal: AbortSignal): Promise<void> {
  await until(() => answersHttp(port, path, signal), signal, 10)
}

/**
 * Whether `http://127.0.0.1:port/path` answers 2xx before `signal` aborts. The body is not read: it is the session's.
 * @throws {TypeError} with the cause when this server has no file left to ask with, which tells nothing of who is asked
 */
export async function answersHttp (port: number, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal, redirect: 'manual' })
    await response.body?.cancel()
    return response.ok
  } catch (error) {
    const { code } = (error as Error).cause as NodeJS.ErrnoException ?? {}
    if (code === 'EMFILE' || code === 'ENFILE') throw error
    return false // nobody listens, or what does is no HTTP server, or says nothing
  }
}
