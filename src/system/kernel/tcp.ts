import { Agent, get } from 'node:http'
import { createServer } from 'node:net'
import { until } from './processes.ts'

/** Tells whether this port of 127.0.0.1 is free, by binding it. */
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

/** Opens a new connection for each request: another program may have the port by the next one. */
const agent = new Agent({ keepAlive: false })

/**
 * Tells whether `http://127.0.0.1:port/path` answers 2xx before `signal` aborts. The body is untrusted and not read.
 * It does not use `fetch`, which takes three times the processor: three programs of each session are asked every few seconds.
 * @throws {Error} when this server has no free descriptor: that says nothing about the program
 */
export async function answersHttp (port: number, path: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const asked = get({ host: '127.0.0.1', port, path, agent, signal }, ({ statusCode = 0 }) => {
    resolve(statusCode >= 200 && statusCode < 300)
    asked.destroy()
  })
  asked.on('information', () => asked.destroy(new Error('unexpected 1xx answer'))) // a hostile program could send these for ever
  asked.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EMFILE' || error.code === 'ENFILE') reject(error)
    else resolve(false) // no listener, or one that does not speak HTTP, or no answer
  })
  asked.on('close', () => resolve(false)) // it switched to another protocol: Node then only closes the request
  return promise
}
