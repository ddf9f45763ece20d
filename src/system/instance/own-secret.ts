import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { newToken } from '#domain/access/token.ts'

interface Secret { text: string, retiredAt?: Date | undefined }

const LOOK_MS = 1000

/**
 * The server's own secrets in a file, which only root can read: one that signs, and those before it, which stay valid for what
 * they signed. The file has one a line, the newest first, and the time when it was retired. Another process may rotate them: that
 * is noticed within a second.
 */
export class OwnSecrets {
  readonly #file: string
  #secrets: Secret[]
  #state: string
  #lookedAt = performance.now()

  /** Makes the file at the first start. */
  constructor (file: string) {
    this.#file = file
    if (!existsSync(file)) write(file, [{ text: newToken() }])
    this.#state = stateOf(file)
    this.#secrets = read(file)
  }

  /** The secret that signs, and behind it those that were retired after this time. */
  since (time: Date): string[] {
    this.#look()
    return this.#secrets.filter(({ retiredAt }) => retiredAt === undefined || retiredAt > time).map(({ text }) => text)
  }

  /** A file that is lost while the server runs takes no secret away. */
  #look (): void {
    if (performance.now() - this.#lookedAt < LOOK_MS) return
    this.#lookedAt = performance.now()
    const state = stateOf(this.#file)
    if (state === this.#state || state === '') return
    this.#secrets = read(this.#file)
    this.#state = state
  }
}

/** Puts a new secret into the file. Secrets that were retired before `forgetBefore` are removed. */
export function rotateSecret (file: string, forgetBefore: Date): void {
  const now = new Date()
  const earlier = existsSync(file) ? read(file) : []
  write(file, [{ text: newToken() }, ...earlier.map(({ text, retiredAt = now }) => ({ text, retiredAt })).filter(({ retiredAt }) => retiredAt > forgetBefore)])
}

function read (file: string): Secret[] {
  return readFileSync(file, 'utf8').split('\n').filter(Boolean).map(line => {
    const [text = '', retiredAt] = line.split(' ')
    return { text, retiredAt: retiredAt === undefined ? undefined : new Date(retiredAt) }
  })
}

/** Replaces the file, which is whole at any moment. */
function write (file: string, secrets: Secret[]): void {
  const made = openSync(`${file}.new`, 'w', 0o600)
  try {
    writeSync(made, secrets.map(({ text, retiredAt }) => (retiredAt ? `${text} ${retiredAt.toISOString()}` : text) + '\n').join(''))
    fsyncSync(made)
  } finally {
    closeSync(made)
  }
  renameSync(`${file}.new`, file)
}

/** Differs after each change of the file; empty when there is no file. */
function stateOf (file: string): string {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found ? [found.ino, found.mtimeNs, found.size].join(' ') : ''
}
