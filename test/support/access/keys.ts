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
