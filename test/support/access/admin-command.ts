import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { NODE_COMPILE_CACHE, type Server } from '#support/servers/server.ts'

export interface Ran { code: number, stdout: string, stderr: string }

/** `npm run admin -- ...words`, with the server's settings. */
export async function adminCommand (server: Pick<Server, 'env' | 'url'>, ...words: string[]): Promise<Ran> {
  try {
    const ran = await promisify(execFile)(process.execPath, ['bin/admin.mjs', ...words, '--url', server.url], { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...server.env } })
    return { code: 0, ...ran }
  } catch (error) {
    const { code, stdout, stderr } = error as Ran
    return { code, stdout, stderr }
  }
}
