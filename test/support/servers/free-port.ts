import { once } from 'node:events'
import { createServer } from 'node:net'
import { SPAN } from './span.ts'

let next = 12_000 + SPAN * 500 // below those that servers of tests give to sessions, and that the kernel gives away

/** A port of 127.0.0.1 on which nobody listens, for what must know its address before it starts; no other test gets it. */
export async function freePort (): Promise<number> {
  const port = next++
  const listener = createServer().listen(port, '127.0.0.1')
  try {
    await once(listener, 'listening')
  } catch {
    return freePort() // it is somebody's
  }
  await new Promise(resolve => listener.close(resolve))
  return port
}
