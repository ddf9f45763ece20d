import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { keyFileText, readKeyFile, type KeptKey, type MasterKeys } from '#domain/storage/master-keys.ts'
import { newKey, type Key } from '#domain/storage/envelope.ts'
import { StartRefused } from '#errors.ts'
import { flush } from './finish-restore.ts'

/**
 * The master keys in a file that only root can read. The file is read again when it has changed. A key that this process has
 * read once stays known to it, also when the file has lost it.
 */
export class KeyFile implements MasterKeys {
  readonly path: string
  #keys: KeptKey[]
  #state: string
  readonly #known = new Map<string, Key>()

  /** @throws {StartRefused} when the file is missing, can be read by others, or is damaged */
  constructor (path: string) {
    this.path = path
    const { keys, state } = read(path)
    this.#keys = keys
    this.#state = state
    this.#remember()
  }

  newest (): Key {
    this.#refresh()
    return this.#keys[0]!.key
  }

  find (id: string): Key | undefined {
    if (!this.#known.has(id)) this.#refresh()
    return this.#known.get(id)
  }

  /** The keys that the file holds now, the newest first. */
  list (): readonly KeptKey[] {
    this.#refresh()
    return this.#keys
  }

  /** Replaces the content of the file, which is whole at any moment. */
  write (keys: readonly KeptKey[]): void {
    renameSync(writeNew(this.path, keys), this.path)
    flush(dirname(this.path))
    this.#refresh()
  }

  /** A file that is lost or damaged while the server runs takes no key away. */
  #refresh (): void {
    try {
      if (stateOf(this.path) === this.#state) return
      const { keys, state } = read(this.path)
      this.#keys = keys
      this.#state = state
      this.#remember()
    } catch {}
  }

  #remember (): void {
    for (const { key } of this.#keys) this.#known.set(key.id, key)
  }
}

/** Makes the file with a new key. A file that another server makes at the same moment stays. */
export function makeKeyFile (path: string): KeyFile {
  const made = writeNew(path, [{ key: newKey(), madeAt: new Date() }])
  try {
    linkSync(made, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(made)
  }
  flush(dirname(path))
  return new KeyFile(path)
}

/** The key file; undefined when there is none. @throws {StartRefused} when it cannot be used */
export function keyFileAt (path: string): KeyFile | undefined {
  return statSync(path, { throwIfNoEntry: false }) && new KeyFile(path)
}

/** Writes the keys to a new file beside the key file, and returns its path. */
function writeNew (path: string, keys: readonly KeptKey[]): string {
  const name = `${path}.${process.pid}.new`
  const made = openSync(name, 'w', 0o600)
  try {
    writeSync(made, keyFileText(keys))
    fsyncSync(made)
  } finally {
    closeSync(made)
  }
  return name
}

function read (path: string): { keys: KeptKey[], state: string } {
  const refuse = (why: string, cause?: unknown) => new StartRefused(`the key file ${path} cannot be used: ${why}`, { cause })
  try {
    const { uid, mode } = statSync(path)
    if (uid !== 0 || (mode & 0o077) !== 0) throw refuse('users other than root can read it; "chown root" and "chmod 600" it, then make a new key with "npm run keys -- rotate"')
    return { state: stateOf(path), keys: readKeyFile(readFileSync(path, 'utf8')) }
  } catch (error) {
    if (error instanceof StartRefused) throw error
    throw refuse(`${(error as NodeJS.ErrnoException).code ?? (error as Error).message}; put the right file there (docs/encryption.md)`, error)
  }
}

/** Differs after each change of the file. */
function stateOf (path: string): string {
  const { ino, mtimeNs, size } = statSync(path, { bigint: true })
  return [ino, mtimeNs, size].join(' ')
}
