import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { Changes } from '#domain/code/code-stations.ts'
import { freePort } from '#support/servers/free-port.ts'
import { eventually, TEST_DATA } from '#support/servers/server.ts'

/** Where set-up has installed it. */
export const STORE = `${TEST_DATA}/templates/project`

/** The dev server of projects with a home of its own. */
export class ProjectProgram {
  readonly project: string
  readonly extension: string
  readonly lines: string[] = []
  readonly #home: string
  readonly #port: number
  readonly #env: Record<string, string>
  #child: ReturnType<typeof spawn> | undefined
  /** The version that was seen last. */
  #seen = 0

  private constructor (home: string, port: number, env: Record<string, string>) {
    this.#home = home
    this.#port = port
    this.#env = env
    this.project = join(home, 'project')
    this.extension = join(home, 'extension-build')
  }

  /** Started on these files; it is ended when the test is over. */
  static async start (t: Test, files: Record<string, string>, env: Record<string, string> = {}): Promise<ProjectProgram> {
    const program = new ProjectProgram(t.testdir(), await freePort(), env)
    program.write(files)
    await program.raise()
    t.teardown(() => program.end('SIGTERM'))
    return program
  }

  async raise (): Promise<void> {
    const args = [join(STORE, 'dev-server.mjs'), '--port', String(this.#port), 'project', 'extension-build']
    const child = this.#child = spawn('node', args, { cwd: this.#home, env: { PATH: process.env.PATH, HOME: this.#home, ...this.#env }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on('line', line => this.lines.push(line))
    await eventually('the program listens', () => fetch(`http://127.0.0.1:${this.#port}/`).then(({ ok }) => ok, () => false))
  }

  async end (signal: NodeJS.Signals): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill(signal)
    await once(this.#child, 'exit')
  }

  /** Changes the project, without a word to the program; null deletes. */
  write (files: Record<string, string | null>): void {
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.project, path)
      if (content === null) rmSync(file, { force: true })
      else {
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(`${this.project}.new`, content)
        renameSync(`${this.project}.new`, file) // as pushes are written
      }
    }
  }

  /** What became of all that was written before. */
  async changes (): Promise<Changes> {
    return this.#ask(0)
  }

  /** The next version, or what there is after `ms`. */
  async next (ms = 20_000): Promise<Changes> {
    return this.#ask(ms)
  }

  /** What a request with these headers is answered. */
  async status (headers: Record<string, string>): Promise<number> {
    return (await fetch(`http://127.0.0.1:${this.#port}/changes?after=0&wait=0`, { headers })).status
  }

  /** A built file's text; undefined where there is none. */
  built (path: string): string | undefined {
    const file = join(this.extension, path)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }

  /** How often a line was printed. */
  count (line: string): number {
    return this.lines.filter(each => each === line).length
  }

  async #ask (wait: number): Promise<Changes> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/changes?after=${this.#seen}&wait=${wait}`)
    const changes = await response.json() as Changes
    this.#seen = changes.version
    return changes
  }
}
