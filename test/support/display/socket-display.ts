import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { lightDisplay } from './light-display.ts'
import { TEST_DATA, type CreatedSession } from '#support/servers/server.ts'

const SOURCE = fileURLToPath(new URL('../../fixtures/socket-display/xpra', import.meta.url))

/** As `lightDisplay`, but its displays accept viewers, and show them nothing. */
export function socketDisplay (t: Test): Record<string, string> {
  const { EX10_SESSION_PATH } = lightDisplay()
  const folder = mkdtempSync(`${TEST_DATA}/socket-display-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  copyFileSync(SOURCE, `${folder}/xpra`)
  for (const path of [folder, `${folder}/xpra`]) chmodSync(path, 0o755)
  return { EX10_SESSION_PATH: `${folder},${EX10_SESSION_PATH}` }
}

/** What the server wrote into a session's page for its script. */
export function readMeta ({ url }: CreatedSession, name: 'ticket' | 'token', headers?: Record<string, string>): Promise<string> {
  return readPageMeta(`${url}index.html`, name, headers)
}

/** The same of a page that is opened by a link. */
export async function readPageMeta (url: string, name: 'session' | 'ticket' | 'token' | 'mode', headers: Record<string, string> = {}): Promise<string> {
  return new RegExp(`name="ex10-${name}" content="([\\w.-]+)"`).exec(await (await fetch(url, { headers })).text())?.[1] ?? ''
}

/** Opens a display's WebSocket as its page does; `headers` are of whoever loads the page. */
export async function openSocket (t: Test, session: CreatedSession, headers?: Record<string, string>): Promise<WebSocket> {
  const socket = new WebSocket(`${session.url.replace('http', 'ws')}socket?ticket=${await readMeta(session, 'ticket', headers)}`, 'binary', { perMessageDeflate: false })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** Opens a display's WebSocket as the page does that a link leads to. */
export async function openSharedSocket (t: Test, session: CreatedSession, link: string): Promise<WebSocket> {
  const socket = new WebSocket(`${session.url.replace('http', 'ws')}socket?ticket=${await readPageMeta(link, 'ticket')}`, 'binary', { perMessageDeflate: false })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** An Xpra packet of this name, in its envelope. */
export function xpraPacket (name: string): Buffer {
  const body = Buffer.from(`l${name.length}:${name}e`)
  const head = Buffer.from([0x50, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(body.length, 4)
  return Buffer.concat([head, body])
}
