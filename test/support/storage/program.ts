import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The user that store servers run as: PostgreSQL refuses root. */
export const NOBODY = { uid: 65534, gid: 65534 }

/** A store server on loopback, with an empty store at first. It ends with the test. */
export interface StoreServer {
  /** Its address, with user and password. */
  readonly url: string
  /** Ends it as its operator would, unless it is given another signal, and waits until it has gone. */
  stop (signal?: NodeJS.Signals): Promise<void>
  /** Starts it again with what it kept, and waits until it answers. */
  start (): Promise<void>
}

/** A new folder that the store servers' user owns, until the test ends. */
export function ownFolder (t: Test, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `ex10-${name}-`))
  chownSync(folder, NOBODY.uid, NOBODY.gid)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The arguments of setpriv for a program of the store servers' user, which gets `signal` when this process dies. */
export function asNobody (signal: string, argv: string[]): string[] {
  return [`--reuid=${NOBODY.uid}`, `--regid=${NOBODY.gid}`, '--clear-groups', `--pdeathsig=${signal}`, '--', ...argv]
}

/** Makes a server of a program that ends at `signal`. It has started when `answers` resolves with true. */
export async function newServer (t: Test, { url, argv, signal, answers }: { url: string, argv: string[], signal: NodeJS.Signals, answers: () => Promise<boolean> }): Promise<StoreServer> {
  let child: ChildProcess | undefined
  const server: StoreServer = {
    url,
    async stop (by = signal) {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(by)
      await ended
    },
    async start () {
      const started = spawn('setpriv', asNobody(signal.slice(3), argv), { cwd: '/', env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' }, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      let said = ''
      for (const stream of [started.stdout, started.stderr]) stream.setEncoding('utf8').on('data', text => { said = (said + text).slice(-4000) })
      for (const until = performance.now() + 30_000; !await answers();) {
        if (started.exitCode !== null || performance.now() > until) throw new Error(`${argv[0]} does not answer: ${said}`)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
  }
  t.teardown(() => server.stop())
  await server.start()
  return server
}
