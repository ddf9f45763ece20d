import * as esbuild from 'esbuild'
import { extname } from 'node:path'
import { assets } from './assets.mjs'
import { inside } from './inside.mjs'
import { packages } from './packages.mjs'
import { problemOf } from './problems.mjs'

const NOTHING = { ok: true, files: new Map(), styles: new Map(), empty: new Set(), inputs: [], problems: [] }
/** Files that influence the build of others without being imported. */
const SETTINGS = /(^|\/)(tsconfig\.json|package\.json)$/

/**
 * @typedef {object} Built
 * @property {boolean} ok
 * @property {Map<string, Buffer>} files by name
 * @property {Map<string, string>} styles the style sheet of a script, by the script's source
 * @property {Set<string>} empty files without code: their sources hold types only
 * @property {string[]} inputs the sources of the files
 * @property {object[]} problems
 */

/**
 * A set of scripts that are built together, each into one file of its own. They are built again only when one of their
 * inputs has changed.
 */
export class Group {
  #options
  #sources
  #context
  #key
  #states
  #last

  /** `isPage`: the scripts run in pages of the extension. `format`: esbuild's. */
  constructor ({ mode, format, isPage = false }) {
    const sources = () => this.#sources
    const isDevelopment = mode === 'development'
    this.#options = {
      bundle: true,
      write: false,
      metafile: true,
      allowOverwrite: true, // esbuild writes no file here; its outputs have the names of sources
      logLevel: 'silent',
      target: 'esnext',
      format,
      jsx: 'automatic',
      sourcemap: isDevelopment ? 'inline' : false,
      minify: !isDevelopment,
      define: {
        'process.env.NODE_ENV': JSON.stringify(mode),
        'import.meta.env.MODE': JSON.stringify(mode),
        'import.meta.env.DEV': String(isDevelopment),
        'import.meta.env.PROD': String(!isDevelopment)
      },
      plugins: [inside({ sources }), packages({ mode, sources, isPage }), assets({ sources, isPage })]
    }
  }

  /** @returns {Promise<Built>} */
  async build (sources, scripts) {
    this.#sources = sources
    const key = scripts.join('\0')
    if (this.#key !== key) await this.#begin(key, scripts)
    else if (this.#last?.ok && !this.#hasChanged()) return this.#last
    this.#last = scripts.length > 0 ? await this.#run() : NOTHING
    this.#states = this.#statesOf(this.#last.inputs)
    return this.#last
  }

  #hasChanged () {
    const now = this.#statesOf(this.#last.inputs)
    return now.some((state, i) => state !== this.#states[i])
  }

  /** The states of the inputs, and of all that decides where imports lead: the list of files, and the settings files. */
  #statesOf (inputs) {
    const { files } = this.#sources
    const names = [...files.keys()]
    return [names.join('\0'), ...[...names.filter(name => SETTINGS.test(name)), ...inputs].map(name => files.get(name))]
  }

  async #begin (key, scripts) {
    await this.#context?.dispose()
    this.#context = undefined
    this.#key = key
    if (scripts.length === 0) return
    const { dir } = this.#sources
    this.#context = await esbuild.context({
      ...this.#options,
      absWorkingDir: dir,
      outdir: dir,
      entryPoints: scripts.map(name => ({ in: this.#sources.path(name), out: name.slice(0, -extname(name).length) }))
    })
  }

  async #run () {
    try {
      return this.#built(await this.#context.rebuild())
    } catch (error) {
      if (!error.errors) throw error
      return { ...NOTHING, ok: false, problems: error.errors.map(problem => problemOf(problem)) }
    }
  }

  #built ({ outputFiles, metafile, warnings }) {
    const { dir } = this.#sources
    const styles = new Map()
    const empty = new Set()
    for (const [name, { entryPoint, cssBundle, inputs }] of Object.entries(metafile.outputs)) {
      if (cssBundle) styles.set(entryPoint, cssBundle)
      if (entryPoint && Object.values(inputs).every(({ bytesInOutput }) => bytesInOutput === 0)) empty.add(name)
    }
    return {
      ok: true,
      files: new Map(outputFiles.map(({ path, contents }) => [path.slice(dir.length + 1), Buffer.from(contents)])),
      styles,
      empty,
      inputs: Object.keys(metafile.inputs).map(name => name.split('?')[0]),
      problems: warnings.map(problem => problemOf(problem, true))
    }
  }
}
