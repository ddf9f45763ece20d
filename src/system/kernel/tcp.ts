import { Agent, get } from 'node:http'
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

/** A connection for each question: a program may be another one by the next. */
const agent = new Agent({ keepAlive: false })

/**
 * Whether `http://127.0.0.1:port/path` answers 2xx before `signal` aborts. The body is not read: it is the session's.
 * Three of each session are asked every few seconds, so without `fetch`, which takes three times the processor.
 * @throws {Error} when this server has no file left to ask with, which tells nothing of who is asked
 */
export async function answersHttp (port: number, path: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const asked = get({ host: '127.0.0.1', port, path, agent, signal }, ({ statusCode = 0 }) => {
    resolve(statusCode >= 200 && statusCode < 300)
    asked.destroy()
  })
  asked.on('information', () => asked.destroy(new Error('asked for nothing'))) // a hostile one could send these for ever
  asked.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EMFILE' || error.code === 'ENFILE') reject(error)
    else resolve(false) // nobody listens, or what does is no HTTP server, or says nothing
  })
  asked.on('close', () => resolve(false)) // it switches to another protocol: Node tells nobody who did not ask for that
  return promise
}
