import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { createBundler } from './bundler.mjs'
import { scanSources } from './files.mjs'

const maxErrorLength = 1000

/**
 * Runs builds one after the other. `build()` resolves when there is a result that includes
 * every file written before the call: a build that has begun may have read the old file, so
 * a call joins the next one; if nothing changed on disk, the last result still holds.
 *
 * `result(after)` is the last result: `version` (grows), `ok`, `error`, `ms`, `worker` (has
 * a service worker) and `changed`: the parts that any build newer than `after` changed.
 *
 * Events: `scan` (the source folders), `result` (a build ran).
 */
export function createBuilder ({ sourceDir, extensionDir }) {
  const events = new EventEmitter()
  const bundler = createBundler({ sourceDir, extensionDir })
  const changedAt = {}
  let last = { version: 0, ok: false, error: 'not built yet', ms: 0 }
  let state
  let parts = {}
  let running = Promise.resolve()
  let next

  function build () {
    next ??= running = running.then(run)
    return next
  }

  async function run () {
    next = undefined
    const begun = performance.now()
    const version = laterVersion()
    const outcome = await attempt(version).catch(failure)
    if (!outcome) return
    last = { version, ...outcome, ms: Math.round(performance.now() - begun) }
    events.emit('result')
  }

  // A time, so that it also grows over a restart of this program.
  function laterVersion () {
    return Math.max(last.version + 1, Date.now())
  }

  async function attempt (version) {
    const sources = await scanSources(sourceDir)
    events.emit('scan', sources.folders)
    if (sources.state === state) return
    state = sources.state
    const built = await bundler.bundle(sources.files)
    for (const name of Object.keys(built.parts)) {
      if (built.different && built.parts[name] !== parts[name]) changedAt[name] = version
    }
    parts = built.parts
    return { ok: true, worker: built.worker }
  }

  // The last good build stays in place, and so does what the browser runs.
  function failure (error) {
    // No fault of the sources (a full disk): the same ones are to be tried again.
    if (!error.ofSources) state = undefined
    return { ok: false, error: plainMessage(error) }
  }

  function result (after) {
    const changed = Object.keys(changedAt).filter(name => changedAt[name] > after)
    return { ...last, changed }
  }

  return { build, result, stop: bundler.stop, on: events.on.bind(events), off: events.off.bind(events) }

  function plainMessage (error) {
    const text = String(error.message).replaceAll(`${sourceDir}/`, '')
    return stripVTControlCharacters(text).slice(0, maxErrorLength)
  }
}
