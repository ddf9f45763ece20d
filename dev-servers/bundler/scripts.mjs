import * as esbuild from 'esbuild'
import { Group } from './group.mjs'
import { builtName, isCompiled } from './sources.mjs'

const MAX_UNNAMED = 100
/** Types, tests and settings are not scripts of the extension. */
const NO_SCRIPT = /(^|\/)node_modules\/|\.d\.[cm]?ts$|\.(config|test|spec|stories)\.\w+$/

/**
 * Builds the scripts of an extension. Each becomes one file. Modules of a page or worker stay modules. A script without
 * `import` and `export` stays a script, which shares its declarations with others. All other scripts are bundled.
 */
export class Scripts {
  #mode
  #modules
  #pages
  #bundles
  #unnamed = new Map()
  #plain = new Map()

  constructor (mode) {
    this.#mode = mode
    this.#pages = new Group({ mode, format: 'esm', isPage: true })
    this.#modules = new Group({ mode, format: 'esm' })
    this.#bundles = new Group({ mode, format: 'iife' })
  }

  /**
   * Builds the scripts of the manifest and the pages, and the compiled sources that no script imports: code may name those.
   * @param wanted `pages`: sources that pages load as modules; `modules`: workers; `scripts`: all others
   * @returns {Promise<Built & {pages: Set<string>}>} `pages`: names of the files that only pages use
   */
  async build (sources, { pages, modules, scripts }) {
    const plain = await this.#buildPlain(sources, scripts)
    const bundled = scripts.filter(name => !plain.has(name))
    const built = await Promise.all([this.#pages.build(sources, pages), this.#modules.build(sources, modules), this.#bundles.build(sources, bundled)])
    if (built.every(({ ok }) => ok)) {
      const reached = new Set([...pages, ...modules, ...scripts, ...built.flatMap(({ inputs }) => inputs)])
      built.push(await this.#buildUnnamed(sources, sources.names().filter(name => isCompiled(name) && !NO_SCRIPT.test(name) && !reached.has(name))))
    }
    return {
      ok: built.every(({ ok }) => ok),
      files: new Map([...plain.values(), ...built.map(({ files }) => files)].flatMap(files => [...files])),
      styles: new Map(built.flatMap(({ styles }) => [...styles])),
      pages: new Set(built[0].files.keys()),
      problems: built.flatMap(({ problems }) => problems)
    }
  }

  /** The scripts that need no bundling, with their output; JavaScript is unchanged. */
  async #buildPlain (sources, names) {
    const plain = new Map()
    await Promise.all(names.map(async name => {
      const state = sources.files.get(name)
      const known = this.#plain.get(name)
      const files = known?.state === state ? known.files : await this.#asPlain(sources, name)
      this.#plain.set(name, { state, files })
      if (files) plain.set(name, files)
    }))
    return plain
  }

  async #asPlain (sources, name) {
    const isTyped = isCompiled(name)
    try {
      const { metafile, outputFiles } = await esbuild.build({
        entryPoints: [sources.path(name)],
        absWorkingDir: sources.dir,
        outdir: sources.dir,
        write: false,
        metafile: true,
        allowOverwrite: true,
        logLevel: 'silent',
        target: 'esnext',
        jsx: 'automatic',
        sourcemap: isTyped && this.#mode === 'development' ? 'inline' : false,
        ...isTyped ? {} : { tsconfigRaw: '{}' }
      })
      if (metafile.inputs[name]?.format === 'esm') return
      if (!isTyped) return new Map()
      const { text } = outputFiles[0]
      if (/^import\b|\bimport\s*\(|\brequire\s*\(/m.test(text)) return
      const isEmpty = Object.values(metafile.outputs)[0].inputs[name]?.bytesInOutput === 0
      return new Map(isEmpty ? [] : [[builtName(name), Buffer.from(text)]])
    } catch (error) {
      if (!error.errors) throw error // an error in the script: bundling reports it
    }
  }

  /** Builds scripts that are not named. Their errors become warnings, because such a script may not belong to the extension. */
  async #buildUnnamed (sources, names) {
    const wanted = names.slice(0, MAX_UNNAMED)
    const plain = await this.#buildPlain(sources, wanted)
    const bundled = wanted.filter(name => !plain.has(name))
    for (const name of this.#unnamed.keys()) if (!bundled.includes(name)) this.#unnamed.delete(name)
    const built = new Map()
    for (const name of bundled) {
      const group = this.#unnamed.get(name) ?? new Group({ mode: this.#mode, format: 'iife' })
      this.#unnamed.set(name, group)
      built.set(name, await group.build(sources, [name]))
    }
    const isImported = name => [...built].some(([other, { inputs }]) => other !== name && inputs.includes(name))
    const parts = [...built].filter(([name, { empty }]) => !isImported(name) && !empty.has(builtName(name))).map(([, one]) => one)
    return {
      ok: true,
      files: new Map([...[...plain].filter(([name]) => !isImported(name)).map(([, files]) => files), ...parts.map(({ files }) => files)].flatMap(files => [...files])),
      styles: new Map(),
      problems: parts.flatMap(({ problems }) => problems).filter(({ isModuleOnly }) => !isModuleOnly).map(problem => ({ ...problem, kind: 'warning' }))
    }
  }
}
