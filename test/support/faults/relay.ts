import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { freePort } from '#support/servers/free-port.ts'

/** A network between viewers and the server that can be cut, at an address that stays the same. */
export interface Relay {
  url: string
  cut (): Promise<void>
  mend (): Promise<void>
  /** Nothing passes any more on the connections that there are, and nobody is told. */
  freeze (): void
}

export async function startRelay (t: Test, upstream: string): Promise<Relay> {
  const sockets = new Set<Socket>()
  const port = await freePort() // it is come back to
  let listener = await listen()
  t.teardown(cut)

  async function listen () {
    const server = createServer(near => {
      const far = connect(Number(new URL(upstream).port), '127.0.0.1')
      near.pipe(far).pipe(near)
      for (const socket of [near, far]) {
        sockets.add(socket)
        socket.on('error', () => {}).on('close', () => { near.destroy(); far.destroy(); sockets.delete(socket) })
      }
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  async function cut (): Promise<void> {
    if (!listener.listening) return
    listener.close()
    for (const socket of sockets) socket.destroy()
    await once(listener, 'close')
  }

  function freeze (): void {
    for (const socket of sockets) socket.unpipe().pause()
  }

  return { url: `http://127.0.0.1:${port}`, cut, mend: async () => { listener = await listen() }, freeze }
}
