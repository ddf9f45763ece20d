import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { eventually, isRunning, TEST_DATA } from '#support/servers/server.ts'

/** Some account without any rights, and all that the command needs: neither root, nor the server's own files. */
const UID = 64_123
const NEEDED = ['package.json', 'bin/ex10.mjs', 'bin/dev', ...['chokidar', 'readdirp', 'ignore', 'fflate'].map(name => `node_modules/${name}`)]

/** A person's machine: their home, a folder with their extension, and a desktop that opens addresses. */
export class Desk {
  readonly #root: string
  readonly folder: string

  constructor (t: Test) {
    this.#root = mkdtempSync(`${TEST_DATA}/desk-`)
    chmodSync(this.#root, 0o755)
    t.teardown(() => rmSync(this.#root, { recursive: true, force: true }))
    for (const path of NEEDED) cpSync(path, join(this.#root, 'ex10', path), { recursive: true })
    this.folder = join(this.#root, 'my-extension')
    mkdirSync(join(this.#root, 'bin'))
    writeFileSync(join(this.#root, 'bin', 'xdg-open'), `#!/bin/sh\necho "$@" > ${this.#root}/home/opened\n`, { mode: 0o755 })
    this.write({ '../home/.keep': '' })
    chownSync(join(this.#root, 'home'), UID, UID)
    mkdirSync(this.folder)
  }

  /** Writes files below the extension's folder. */
  write (files: Record<string, string | Buffer>): void {
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.folder, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
    }
  }

  path (name: string): string {
    return join(this.folder, name)
  }

  /** The person's key, in the file where the command looks for it. */
  keepKey (key: string): void {
    this.write({ '../home/.config/ex10/key': `${key}\n` })
  }

  /** The address that was opened in the person's browser. */
  opened (): Promise<string> {
    return eventually('an address that is opened', () => readFileSync(join(this.#root, 'home', 'opened'), { encoding: 'utf8', flag: 'a+' }).trim())
  }

  /** `ex10 ...words`, in the folder that holds the extension's. */
  run (t: Test, words: string[], env: Record<string, string> = {}): DevCommand {
    // without what the tests' runner adds to Node: it writes where this account may not
    const child = spawn('setpriv', [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--bounding-set=-all', '--', 'env', '-u', 'NODE_OPTIONS', process.execPath, join(this.#root, 'ex10/bin/ex10.mjs'), ...words], {
      cwd: this.#root,
      env: { PATH: `${this.#root}/bin:/usr/bin:/bin`, HOME: join(this.#root, 'home'), DISPLAY: ':99', ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    t.teardown(async () => {
      if (!isRunning(child)) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    return new DevCommand(child)
  }
}

/** The command, as it runs, and what it prints. */
export class DevCommand {
  readonly lines: string[] = []
  readonly child: ChildProcess
  readonly #ended: Promise<unknown>

  constructor (child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on('line', line => this.lines.push(line))
    this.#ended = once(child, 'close')
  }

  /** Waits for a line that is like this, after the first `after`, and returns its parts. */
  async prints (pattern: RegExp, after = 0, ms = 20_000): Promise<RegExpExecArray> {
    try {
      return await eventually(`a line like ${pattern}`, () => this.lines.slice(after).map(line => pattern.exec(line)).find(Boolean), ms)
    } catch (cause) {
      throw new Error(this.lines.join('\n'), { cause })
    }
  }

  /** Its exit code, once it has ended. */
  async code (): Promise<number | null> {
    await this.#ended
    return this.child.exitCode
  }
}
