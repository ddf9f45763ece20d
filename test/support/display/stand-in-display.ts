import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import { readFacts } from '#support/sandbox.ts'
import type { CreatedSession, Server } from '#support/servers/server.ts'

/** Puts a display of the test's own, to which viewers get, in the place of the session's: the test closes it before the session's end is looked at. */
export async function standInDisplay (t: Test, server: Server, { id }: CreatedSession): Promise<WebSocketServer> {
  const service = `${server.dataDir}/sessions/${id}/services/xpra`
  renameSync(`${service}/argv`, `${service}/argv.away`) // the supervision would start it again, and it would take its port back
  execFileSync('s6-svc', ['-wD', '-d', service])
  const display = new WebSocketServer({ host: '127.0.0.1', port: readFacts(server, id).slot.displayPort, handleProtocols: () => 'binary' })
  t.teardown(() => { display.close() })
  display.on('connection', socket => socket.on('error', () => {}))
  await once(display, 'listening')
  return display
}
