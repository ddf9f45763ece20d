import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseExits, type ServiceExit } from '#domain/live/event.ts'
import { textNow } from '#system/kernel/gone.ts'
import { isAliveNow, parseStat, type ProcessId } from '#system/kernel/processes.ts'

const MAX_BYTES = 65_536

/**
 * Watches one sandbox: whether its init lives, and which services have ended, from the file that finish.sh writes. Every
 * session's is read twice a second, so it is synchronous: without news it costs one read and one `stat`.
 */
export class SandboxWatch {
  readonly #path: string
  readonly #init: ProcessId | undefined
  #offset = 0
  #lines = 0

  /** `dir` is the session's root-owned folder, of a sandbox that has been started. */
  constructor (dir: string) {
    this.#path = join(dir, 'events')
    this.#init = readInitNow(dir)
  }

  isAlive (): boolean {
    return this.#init !== undefined && isAliveNow(this.#init)
  }

  /** The exits of services since the last call; at the first call, all exits. */
  nextExits (): ServiceExit[] {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
    if (size <= this.#offset) return []
    const text = this.#read(Math.min(size - this.#offset, MAX_BYTES))
    const whole = text.slice(0, text.lastIndexOf('\n') + 1) // the last line may be incomplete
    const exits = parseExits(whole, this.#lines + 1)
    this.#offset += Buffer.byteLength(whole)
    this.#lines += whole.split('\n').length - 1
    return exits
  }

  #read (length: number): string {
    const file = openSync(this.#path, 'r')
    try {
      const bytes = Buffer.alloc(length)
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, length, this.#offset))
    } finally {
      closeSync(file)
    }
  }
}

function readInitNow (dir: string): ProcessId | undefined {
  const line = textNow(join(dir, 'init'))
  return line === undefined ? undefined : parseStat(line) // no line: the init never started
}
