import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BuildFolder } from './build-folder.mjs'
import { Bundler } from './bundler.mjs'
import { bounded } from './problems.mjs'
import { Sources, TooManyFiles } from './sources.mjs'
import { Watcher } from './watch.mjs'

const IDLE_MS = 60_000

/** Keeps the folder that Chromium loads equal to the built sources, and notes each result in `changes`. */
export class Builder {
  #sourceDir
  #extensionDir
  #changes
  #bundler
  #folder
  #watcher
  #built
  #running = Promise.resolve()
  #next
  #idle

  constructor ({ sourceDir, extensionDir, mode, changes }) {
    this.#sourceDir = sourceDir
    this.#extensionDir = extensionDir
    this.#changes = changes
    this.#watcher = new Watcher(() => this.build())
    this.#bundler = new Bundler(mode)
    this.#folder = new BuildFolder(extensionDir)
  }

  /**
   * Resolves when there is a result that includes every file written before the call. A running build may have read an old
   * file, so a call joins the next build. If no file has changed, the last result holds.
   */
  build () {
    this.#next ??= this.#running = this.#running.then(() => this.#run())
    return this.#next
  }

  async stop () {
    this.#watcher.watch([])
    clearTimeout(this.#idle)
    await this.#bundler.stop()
  }

  async #run () {
    this.#next = undefined
    clearTimeout(this.#idle)
    try {
      await this.#attempt().catch(async error => {
        if (!/service/.test(error.message)) throw error
        await this.#bundler.stop() // esbuild's process has died, perhaps for want of memory: try once more with a new one
        await this.#attempt()
      })
    } catch (error) {
      // not a fault of the sources (a full disk, say): the next call builds the same sources again
      this.#built = undefined
      this.#changes.note(new Set(), { ok: false, problems: bounded([{ kind: 'build-error', message: this.#words(error), context: 'build' }]) })
      await this.#bundler.stop()
    }
    this.#idle = setTimeout(() => this.#bundler.stop(), IDLE_MS)
    this.#idle.unref()
  }

  async #attempt () {
    const sources = await Sources.list(this.#sourceDir)
    this.#watcher.watch(sources.folders)
    if (sources.equals(this.#built?.sources)) return
    const begun = performance.now()
    const { ok, files, problems } = await this.#bundler.bundle(sources)
    const before = this.#built?.files ?? new Map()
    const changed = ok ? await this.#folder.write(files) : new Set()
    const parts = new Set([...changed].map(name => (before.get(name)?.part === 'loaded' && 'loaded') || files.get(name)?.part || before.get(name)?.part || 'loaded'))
    const manifest = ok ? String(files.get('manifest.json').content) : await this.#lastManifest()
    // the last good build stays in place, for the browser as well
    this.#built = { sources, files: ok ? files : before }
    this.#changes.note(parts, { ok, problems: bounded(problems), manifest })
    console.log(ok ? `built in ${Math.round(performance.now() - begun)} ms` : 'not built')
    for (const { file, line, message } of problems) console.error([file, line, ` ${message}`].filter(Boolean).join(':'))
  }

  async #lastManifest () {
    return await readFile(join(this.#extensionDir, 'manifest.json'), 'utf8').catch(() => undefined)
  }

  #words (error) {
    console.error(error)
    if (error instanceof TooManyFiles) return error.message
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return 'The disk of the session is full: the extension could not be built'
    return 'The build ended before it was done: push again'
  }
}
