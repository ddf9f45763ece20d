import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { walk } from './sources.mjs'

/** The folder that Chromium loads. */
export class BuildFolder {
  #dir
  #written = new Map()
  #changed = new Set()

  constructor (dir) {
    this.#dir = dir
  }

  /**
   * Makes the folder equal to `files`: each name has a `content`, or a source path `copyOf` with that file's `state`. Each
   * file is put there by a rename, so that Chromium never reads half a file. The manifest is written after all other files
   * and before the removals: until then, the old manifest names the old files.
   * @returns {Promise<Set<string>>} names of the changed files
   */
  async write (files) {
    await mkdir(this.#dir, { recursive: true })
    const { files: present, folders } = await walk(this.#dir)
    const stale = new Set(present)
    const names = [...files.keys()].sort((a, b) => Number(a === 'manifest.json') - Number(b === 'manifest.json'))
    for (const name of names) await this.#put(name, files.get(name), stale.delete(name))
    for (const name of stale) {
      await rm(join(this.#dir, name), { force: true })
      this.#written.delete(name)
      this.#changed.add(name)
    }
    await this.#removeEmpty(folders)
    // writes of an earlier call that failed count, too
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  async #put (name, file, isThere) {
    const sign = file.state ?? createHash('sha256').update(file.content).digest('base64')
    if (isThere && this.#written.get(name) === sign) return
    if (!isThere || !await this.#holds(name, file)) {
      const target = join(this.#dir, name)
      const temporary = `${this.#dir}.tmp-${process.pid}`
      await mkdir(dirname(target), { recursive: true })
      if (file.copyOf) await copyFile(file.copyOf, temporary)
      else await writeFile(temporary, file.content)
      this.#changed.add(name)
      await rename(temporary, target)
    }
    this.#written.set(name, sign)
  }

  async #holds (name, file) {
    const [now, then] = await Promise.all([file.content ?? readFile(file.copyOf), readFile(join(this.#dir, name))])
    return then.equals(Buffer.from(now))
  }

  /** Chromium refuses an extension with an empty _locales folder. */
  async #removeEmpty (folders) {
    for (const folder of folders.filter(Boolean).reverse()) {
      await rmdir(join(this.#dir, folder)).catch(error => {
        if (error.code !== 'ENOTEMPTY') throw error
      })
    }
  }
}
