import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ifGone, textOf } from '#system/kernel/gone.ts'
import { run } from '#system/kernel/run.ts'

/** Chromium's folder, as Debian installs it and as sessions see it. */
const BROWSER = '/usr/lib/chromium'
/** A package manager locks this file for as long as it works. */
const PACKAGES_LOCK = '/var/lib/dpkg/lock-frontend'
const COPY_MS = 120_000
/** What must be free for a copy of some 350 MB that is no link. */
const FREE_BYTES = 4 * 2 ** 30

/**
 * Copies of Chromium's folder, one a version. A sandbox shows the copy in the place of the folder. So an upgrade by the
 * package manager leaves live sessions the files that they began with, for all processes that their browsers start later
 * and for a browser that is started again: Chromium cannot mix two versions. The copies are hard links where the
 * folder is on the same file system, and cost no space until an upgrade replaces the files.
 */
export class KeptBrowsers {
  readonly #folder: string
  #present: { state: string, path: string | undefined } | undefined
  #previous: string | undefined // a session that is being made may be about to show it
  #keeping: Promise<string | undefined> | undefined

  /** `folder` is root's own; sessions see its parts by their mounts only. */
  constructor (folder: string) {
    this.#folder = folder
  }

  /**
   * The copy of the present version. While packages are being installed, the folder may hold a mixture: the copy before
   * is returned. Undefined when there is none, and a session is to see the folder itself.
   * @throws once for each version that cannot be copied, as on a full disk
   */
  present (): Promise<string | undefined> {
    this.#keeping ??= this.#keep().finally(() => { this.#keeping = undefined })
    return this.#keeping
  }

  /** Removes the copies that are neither the present one nor shown in a sandbox. `inits` are the pids of all sandboxes' inits. */
  async removeUnused (inits: number[]): Promise<void> {
    const shown = (await Promise.all(inits.map(pid => textOf(`/proc/${pid}/mountinfo`)))).join('')
    for (const name of await readdir(this.#folder).catch(ifGone()) ?? []) {
      const path = join(this.#folder, name)
      if (![this.#present?.path, this.#previous].includes(path) && !shown.includes(`/${name} ${BROWSER} `)) await rm(path, { recursive: true, force: true })
    }
  }

  async #keep (): Promise<string | undefined> {
    const program = await stat(join(BROWSER, 'chromium')).catch(ifGone())
    if (!program) return undefined
    const state = `${program.dev} ${program.ino} ${program.mtimeMs}`
    if (this.#present?.state === state || await isInstalling()) return this.#present?.path
    this.#previous = this.#present?.path
    this.#present = { state, path: undefined } // one attempt for each version
    const path = join(this.#folder, await fingerprint())
    if (!await stat(path).catch(ifGone())) await this.#copy(path)
    this.#present.path = path
    return path
  }

  async #copy (path: string): Promise<void> {
    const made = `${path}.new`
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    try {
      await rm(made, { recursive: true, force: true })
      if (!await run(['cp', '--archive', '--link', '--', BROWSER, made], { timeoutMs: COPY_MS }).then(() => true, () => false)) {
        await rm(made, { recursive: true, force: true }) // another file system: a copy proper
        const { bavail, bsize } = await statfs(this.#folder)
        if (bavail * bsize < FREE_BYTES) throw new Error('a copy of Chromium needs 4 GiB of free space, which homes may need')
        await run(['cp', '--archive', '--reflink=auto', '--', BROWSER, made], { timeoutMs: COPY_MS })
      }
      await rename(made, path)
    } catch (error) {
      await rm(made, { recursive: true, force: true })
      throw error
    }
  }
}

/** Changes with each file that an upgrade replaces. */
async function fingerprint (): Promise<string> {
  const names = (await readdir(BROWSER, { recursive: true })).sort()
  const hash = createHash('sha256')
  for (const name of names) {
    const { ino, size, mtimeMs } = await lstat(join(BROWSER, name))
    hash.update(`${name}\0${ino} ${size} ${mtimeMs}\0`)
  }
  return hash.digest('hex').slice(0, 32)
}

/** Whether a package manager is at work, by the kernel's list of locks. */
async function isInstalling (): Promise<boolean> {
  const lock = await stat(PACKAGES_LOCK).catch(ifGone())
  return lock !== undefined && new RegExp(`:${lock.ino} `).test(await readFile('/proc/locks', 'utf8'))
}
