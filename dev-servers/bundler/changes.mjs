import { EventEmitter, once } from 'node:events'

const MANIFEST_BYTES = 256 * 1024

/** The results of the builds, for the answers of `/changes`. Events: `version`. */
export class Changes extends EventEmitter {
  /** At least the time of the change, so that it also grows over a restart of this program. */
  version = Date.now()
  #first = this.version
  #changedAt = { loaded: 0, pages: 0 }
  #state = { ok: true, problems: [] }

  constructor () {
    super()
    this.setMaxListeners(0) // one listener for each waiting request
  }

  /** Notes a result. `parts` are the changed parts of the extension: `loaded`, `pages`. */
  note (parts, { ok, problems, manifest = this.#state.manifest }) {
    const state = { ok, problems, manifest }
    if (parts.size === 0 && JSON.stringify(state) === JSON.stringify(this.#state)) return
    this.#state = state
    this.version = Math.max(this.version + 1, Date.now())
    for (const part of parts) this.#changedAt[part] = this.version
    this.emit('version')
  }

  since (after) {
    const { ok, problems, manifest } = this.#state
    const parts = Object.keys(this.#changedAt).filter(part => this.#changedAt[part] > after)
    return {
      version: this.version,
      ok,
      changed: after < this.#first ? ['loaded'] : parts,
      ...manifest !== undefined && Buffer.byteLength(manifest) <= MANIFEST_BYTES && { manifest },
      problems
    }
  }

  /** Resolves when there is a version above `after`, or when the signal aborts. */
  async later (after, signal) {
    while (this.version <= after && !signal.aborted) await once(this, 'version', { signal }).catch(() => {})
  }
}
