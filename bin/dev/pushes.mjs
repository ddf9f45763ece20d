// Brings changes of the folder to the session, and knows what the session has.
import { setTimeout as delay } from 'node:timers/promises'
import { Batch } from './batches.mjs'
import { Unreadable } from './folder.mjs'
import { NotDone, ServerAway } from './server.mjs'

const BACK_OFF_MS = [250, 500, 1000, 2000, 5000]
/** What the session has of a file is not known. */
const UNKNOWN = ''

export class Pushes {
  #folder
  #session
  #report
  #fail
  #signal
  /** The files that the session has, each with the hash of what it holds. */
  #held = new Map()
  /** What may be another in the folder than in the session. */
  #dirty = new Set()
  /** What the session could not take: it is tried again with the next change. */
  #refusals = new Set()
  #running
  /** Answers that are waited for: a push is written long before a project with it is built. */
  #awaited = new Set()
  #written = () => {}
  /** The last push of which it was told what has become of it. */
  #version
  /** The push that the last reload was for: the next one for it has another cause. */
  #reloaded = -1

  /** Calls `fail` with the error when no push can be done any more. */
  constructor ({ folder, report, fail, signal }) {
    this.#folder = folder
    this.#report = report
    this.#fail = fail
    this.#signal = signal
  }

  /** Something has happened to the session. Returns whether it is of a push that was told of already, or is going to be. */
  hear ({ type, version }) {
    if (type === 'pushed') this.#written()
    const isFirst = type === 'reloaded' && version > this.#reloaded
    if (isFirst) this.#reloaded = version
    const isBusy = this.#running !== undefined || this.#awaited.size > 0
    return isBusy || (isFirst && version === this.#version)
  }

  /** The session exists, with these files: paths and hashes. */
  begin (session, held) {
    this.#session = session
    this.#held = held
    this.#run()
  }

  /** These files, or what was in these folders, may have changed. */
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

  /** The server was away: all files are compared. What only the session has is left to it, but for what came from here. */
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
      if (this.#dirty.size > 0 && !this.#signal.aborted) this.#run() // it came meanwhile
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

  /** Takes what is dirty, as much as one request may have. */
  async #next () {
    const batch = new Batch()
    for (const path of [...this.#dirty].sort()) {
      this.#dirty.delete(path) // first: it may change again while it is read
      const change = await this.#changeOf(path)
      if (!change || batch.add(change)) continue
      this.#dirty.add(path)
      break
    }
    return batch
  }

  /** What the session must be told of the path, if anything. */
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

  /** The session seemed to have taken the push, and then the answer did not come, or was another. */
  #late (batch, error) {
    if (error instanceof ServerAway) return // a build that takes long: the session's events go on
    if (!(error instanceof NotDone)) throw error
    for (const path of batch.paths) this.#held.set(path, UNKNOWN)
    this.#refused(batch, error)
  }

  async #send ({ large, files }) {
    const options = { waits: this.#dirty.size === 0, signal: this.#signal }
    return large ? await this.#session.put(large.path, large.content, options) : await this.#session.push(files, options)
  }

  /** The session does not take the files, or one of them: the others are pushed without it. */
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
