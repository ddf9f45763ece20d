import { readFileSync, writeFileSync } from 'node:fs'

/** Facts about the project, kept over restarts of this program: `installed`, the fingerprint of the installation; `output`, the folder of the last build; `project`, the name of its project. */
export class Memory {
  #file

  constructor (file) {
    this.#file = file
  }

  get facts () {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8'))
    } catch {
      return {} // there was no build yet, or another program wrote the file
    }
  }

  remember (facts) {
    writeFileSync(this.#file, JSON.stringify({ ...this.facts, ...facts }))
  }
}
