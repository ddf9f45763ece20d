import { readFileSync, writeFileSync } from 'node:fs'

/** What is known of the project over restarts of this program: `installed`, from what; `output`, the folder of the last build; `project`, whose. */
export class Memory {
  #file

  constructor (file) {
    this.#file = file
  }

  get facts () {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8'))
    } catch {
      return {} // nothing was built yet, or somebody else wrote it
    }
  }

  remember (facts) {
    writeFileSync(this.#file, JSON.stringify({ ...this.facts, ...facts }))
  }
}
