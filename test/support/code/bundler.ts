import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Problem } from '#schemas/problem.ts'
import { freePort } from '#support/servers/free-port.ts'
import { eventually, TEST_DATA } from '#support/servers/server.ts'

export interface Changes { version: number, ok: boolean, changed: string[], manifest?: string, problems: Problem[] }

/** The bundled templates' dev server, as set-up installed it, over a folder of this test. */
export class Bundler {
  readonly home: string
  readonly #url: string
  readonly #begun: Map<string, number>
  #version = 0

  private constructor (home: string, url: string) {
    this.home = home
    this.#url = url
    this.#begun = this.#inodes()
  }

  /** Begins with the files of the template. */
  static async start (t: Test, template: string): Promise<Bundler> {
    const home = mkdtempSync(join(tmpdir(), 'ex10-bundler-'))
    cpSync(`templates/${template}/extension`, join(home, 'extension'), { recursive: true })
    cpSync(join(TEST_DATA, 'templates/bundler/built', template), join(home, 'build'), { recursive: true })
    const port = await freePort()
    const bundler = new Bundler(home, `http://127.0.0.1:${port}`)
    const child = spawn(process.execPath, [join(TEST_DATA, 'templates/bundler/dev-server.mjs'), '--port', String(port), 'extension', 'build'], {
      cwd: home, env: { HOME: home, PATH: process.env.PATH }, stdio: 'ignore'
    })
    t.teardown(async () => {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      rmSync(home, { recursive: true })
    })
    await eventually('the dev server', () => fetch(bundler.#url).then(({ ok }) => ok, () => false), 20_000)
    bundler.#version = (await bundler.changes(0)).version
    return bundler
  }

  async changes (wait: number): Promise<Changes> {
    const response = await fetch(`${this.#url}/changes?after=${this.#version}&wait=${wait}`)
    return await response.json() as Changes
  }

  /** Writes files, or removes those that are null, each by a rename. */
  write (files: Record<string, string | null>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.home, 'extension', name)
      if (content === null) rmSync(path)
      else {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(`${this.home}/new`, content)
        renameSync(`${this.home}/new`, path)
      }
    }
  }

  /** What has changed by it. */
  async push (files: Record<string, string | null>): Promise<Changes> {
    this.write(files)
    const changes = await this.changes(0)
    this.#version = changes.version
    return changes
  }

  source (name: string): string {
    return readFileSync(join(this.home, 'extension', name), 'utf8')
  }

  /** What is not the file any more that was there at the start. */
  rewritten (): string[] {
    return [...this.#inodes()].filter(([name, inode]) => this.#begun.get(name) !== inode).map(([name]) => name)
  }

  #inodes (): Map<string, number> {
    const folder = join(this.home, 'build')
    return new Map(readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => [name, statSync(join(folder, name)).ino]))
  }

  /** A file that Chromium is to load, without its source map. */
  built (name: string): string | undefined {
    const path = join(this.home, 'build', name)
    return existsSync(path) ? readFileSync(path, 'utf8').replace(/\n(\/\/|\/\*)# sourceMappingURL=.*/s, '') : undefined
  }
}
