// Pushes changes of the folder to the session, and remembers the session's files.
import { setTimeout as delay } from 'node:timers/promises'
import { Batch } from './batches.mjs'
import { Unreadable } from './folder.mjs'
import { NotDone, ServerAway } from './server.mjs'

const BACK_OFF_MS = [250, 500, 1000, 2000, 5000]
/** Stands for an unknown content of a file in the session. */
const UNKNOWN = ''

export class Pushes {
  #folder
  #session
  #report
  #fail
  #signal
  /** The session's files, with the hashes of their content. */
  #held = new Map()
  /** Paths that may differ between the folder and the session. */
  #dirty = new Set()
  /** Paths that the session refused: they are tried again with the next change. */
  #refusals = new Set()
  #running
  /** Pending answers: a push is written long before a project with it is built. */
  #awaited = new Set()
  #written = () => {}
  /** The version of the last push whose outcome was reported. */
  #version
  /** The version of the last reload: another reload with it has another cause. */
  #reloaded = -1

  /** Calls `fail` with the error when no further push is possible. */
  constructor ({ folder, report, fail, signal }) {
    this.#folder = folder
    this.#report = report
    this.#fail = fail
    this.#signal = signal
  }

  /** Receives an event of the session. Returns true if it belongs to a push that was reported already, or will be. */
  hear ({ type, version }) {
    if (type === 'pushed') this.#written()
    const isFirst = type === 'reloaded' && version > this.#reloaded
    if (isFirst) this.#reloaded = version
    const isBusy = this.#running !== undefined || this.#awaited.size > 0
    return isBusy || (isFirst && version === this.#version)
  }

  /** Begins to push to the session, which has these files: paths and hashes. */
  begin (session, held) {
    this.#session = session
    this.#held = held
    this.#run()
  }

  /** Notes that these files, or files in these folders, may have changed. */
  async touch (paths) {
    const refused = [...this.#refusals]
    this.#refusals.clear()
    for (const path of [...paths, ...refused]) {
      this.#dirty.add(path)
      for (const held of this.#held.keys()) if (held.startsWith(`${path}/`)) this.#dirty.add(held)
    }
    if (paths.some(path => /(^|\/)\.gitignore$/.test(path))) await this.#touchAll()
    this.#run()
  }

  /** Compares all files after the server was away. Files that only the session has stay there, unless they came from here. */
  async resync () {
    const there = await this.#session.files(this.#signal)
    const here = await this.#touchAll()
    for (const path of new Set([...here, ...this.#held.keys()])) this.#hold(path, there.get(path))
    this.#run()
  }

  async #touchAll () {
    this.#folder.ignored.forget()
    const paths = await this.#folder.list((path, why) => this.#report.skipped(path, why))
    for (const path of [...paths, ...this.#held.keys()]) this.#dirty.add(path)
    return paths
  }

  #run () {
    if (!this.#session || this.#running) return
    this.#running = this.#pushAll().catch(this.#fail).finally(() => {
      this.#running = undefined
      if (this.#dirty.size > 0 && !this.#signal.aborted) this.#run() // it became dirty in the meantime
    })
  }

  async #pushAll () {
    for (let failures = 0; this.#dirty.size > 0 && !this.#signal.aborted;) {
      const batch = await this.#next()
      try {
        if (batch.changes.length === 0) continue
        await this.#push(batch)
        failures = 0
        this.#report.back()
      } catch (error) {
        if (!(error instanceof ServerAway) && !error.isPassing) throw error
        for (const path of batch.paths) this.#dirty.add(path)
        if (error instanceof ServerAway) this.#report.away(error.message)
        else if (failures === 0) this.#report.say(`not pushed yet: ${error.message}`)
        await delay(BACK_OFF_MS[Math.min(failures++, BACK_OFF_MS.length - 1)], undefined, { signal: this.#signal })
      }
    }
  }

  /** Takes dirty paths, as many as fit into one request. */
  async #next () {
    const batch = new Batch()
    for (const path of [...this.#dirty].sort()) {
      this.#dirty.delete(path) // before reading: it may change again during the read
      const change = await this.#changeOf(path)
      if (!change || batch.add(change)) continue
      this.#dirty.add(path)
      break
    }
    return batch
  }

  /** The change to push for the path; undefined when there is none. */
  async #changeOf (path) {
    try {
      const file = await this.#folder.read(path)
      this.#report.taken(path)
      if (file?.hash === this.#held.get(path)) return undefined // both may be undefined: no file here, none there
      return { path, ...file }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.#report.skipped(path, error.message)
      return undefined
    }
  }

  async #push (batch) {
    const answer = this.#send(batch).finally(() => this.#awaited.delete(answer))
    this.#awaited.add(answer)
    try {
      await Promise.race([answer, new Promise(resolve => { this.#written = resolve })])
      for (const { path, hash } of batch.changes) this.#hold(path, hash)
      answer.then(answer => this.#done(batch, answer), error => this.#late(batch, error)).catch(this.#fail)
    } catch (error) {
      if (!(error instanceof NotDone) || error.isPassing) throw error
      this.#refused(batch, error)
    }
  }

  #done (batch, answer) {
    if (answer.loaded !== undefined) this.#version = answer.version
    this.#report.pushed(batch.paths, answer)
  }

  /** Handles a push that counted as written, and whose answer then did not come or was an error. */
  #late (batch, error) {
    if (error instanceof ServerAway) return // a long build: the session's events go on
    if (!(error instanceof NotDone)) throw error
    for (const path of batch.paths) this.#held.set(path, UNKNOWN)
    this.#refused(batch, error)
  }

  async #send ({ large, files }) {
    const options = { waits: this.#dirty.size === 0, signal: this.#signal }
    return large ? await this.#session.put(large.path, large.content, options) : await this.#session.push(files, options)
  }

  /** Handles a refusal of the files, or of one of them: then the others are pushed without it. */
  #refused (batch, { message, details }) {
    const wrong = batch.paths.find(path => path === details?.filePath)
    if (wrong === undefined) {
      for (const path of batch.paths) this.#refusals.add(path)
      return this.#report.say(`not pushed: ${message}`)
    }
    this.#report.skipped(wrong, message)
    for (const path of batch.paths) if (path !== wrong) this.#dirty.add(path)
  }

  #hold (path, hash) {
    if (hash === undefined) this.#held.delete(path)
    else this.#held.set(path, hash)
  }
}
