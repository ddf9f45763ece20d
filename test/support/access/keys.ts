import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { NODE_COMPILE_CACHE, type Server } from '#support/servers/server.ts'

/** `npm run keys -- ...words`, with the server's settings; resolves with what it printed on standard output. */
export async function keysCommand (server: Pick<Server, 'env'>, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['bin/keys.mjs', ...words], { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...server.env } })
  return stdout.trim()
}

/** The server as somebody uses it who has this API key. */
export function as (server: Server, key: string): Server {
  return { ...server, headers: { authorization: `Bearer ${key}` } }
}

/** Asks the server as whoever it is used as; `body` is JSON where the answer is. */
export async function ask (server: Server, path: string, init: RequestInit = {}): Promise<{ status: number, body: any, headers: Headers }> {
  const response = await fetch(server.url + path, { redirect: 'manual', ...init, headers: { ...server.headers, ...init.headers as Record<string, string> } })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, headers: response.headers }
}
