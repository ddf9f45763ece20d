import * as esbuild from 'esbuild'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { settingsOutside } from './inside.mjs'
import { Manifest } from './manifest.mjs'
import { PACKAGES_DIR } from './packages.mjs'
import { Page } from './pages.mjs'
import { PACKAGES } from './prebundle.mjs'
import { Scripts } from './scripts.mjs'
import { builtName, isCompiled, plainName, walk } from './sources.mjs'

const PROJECT_FILES = ['src/manifest.json', 'public/manifest.json', 'app/manifest.json', 'extension/manifest.json', 'package.json']
const BUILD_MS = 20_000
/** Files that only tools read. */
const SETTINGS = /^(tsconfig(\.\w+)?\.json|package(-lock)?\.json)$|\.d\.[cm]?ts$/

/**
 * Makes the files of an extension from its sources. Source files keep their names, except those that must be compiled. The
 * build runs no pushed code, and reads no pushed settings but `tsconfig.json` and `package.json`.
 */
export class Bundler {
  #mode
  #scripts
  #pages = new Map()

  constructor (mode) {
    this.#mode = mode
    this.#scripts = new Scripts(mode)
  }

  /** Ends esbuild's process, which takes as much memory as the rest of this program. The next build starts it again. */
  async stop () {
    this.#scripts = new Scripts(this.#mode)
    await esbuild.stop()
  }

  /**
   * Returns `ok`, `files` and `problems`. `files`: name → `content`, or `copyOf` and `state`; and `part`: `pages` for a file
   * that only pages of the extension use, else `loaded`. Without `ok`, `files` is empty.
   */
  async bundle (sources) {
    if (!sources.has('manifest.json')) return { ok: false, files: new Map(), problems: [withoutManifest(sources)] }
    const manifest = new Manifest(await sources.text('manifest.json'))
    if (manifest.error) return { ok: false, files: new Map(), problems: [unreadable(manifest.error)] }
    const outside = await settingsOutside(sources)
    if (outside.length > 0) return { ok: false, files: new Map(), problems: outside }
    const pages = await this.#readPages(sources)
    const problems = [...missingOf(manifest, sources), ...pages.flatMap(page => missingScripts(page, sources))]
    const wanted = wantedOf(manifest, pages, sources)
    const built = await within(BUILD_MS, this.#scripts.build(sources, wanted))
    problems.unshift(...built.problems)
    if (!built.ok || problems.some(({ stops }) => stops)) return { ok: false, files: new Map(), problems }
    return { ok: true, files: await this.#compose(sources, manifest, pages, built), problems }
  }

  async #readPages (sources) {
    const names = sources.names().filter(name => /\.html?$/.test(name) && !name.includes('node_modules/'))
    const pages = await Promise.all(names.map(async name => {
      const state = sources.files.get(name)
      const known = this.#pages.get(name)
      return known?.state === state ? known : { state, page: new Page(name, await sources.text(name)) }
    }))
    this.#pages = new Map(pages.map(one => [one.page.name, one]))
    return pages.map(({ page }) => page)
  }

  async #compose (sources, manifest, pages, built) {
    const references = new Set(pages.flatMap(page => [...page.references]))
    const part = name => (references.has(name) || built.pages.has(name) || /\.html?$/.test(name)) && !manifest.names(name) ? 'pages' : 'loaded'
    const files = new Map()
    for (const [name, state] of sources.files) {
      if (!isCompiled(name) && !SETTINGS.test(name)) files.set(name, { copyOf: sources.path(name), state, part: part(name) })
    }
    for (const [name, content] of built.files) files.set(name, { content, part: part(name) })
    const styleOf = name => built.styles.get(name)
    for (const page of pages) {
      const content = page.render(({ path }) => {
        const source = sources.script(path)
        return source && { isCompiled: isCompiled(path), style: styleOf(source) }
      })
      if (content !== page.text) files.set(page.name, { content, part: part(page.name) })
    }
    const styles = new Map()
    for (const { path, index } of manifest.scripts()) {
      const style = index !== undefined && styleOf(sources.script(path))
      if (style) styles.set(index, (styles.get(index) ?? new Set()).add(style))
    }
    const rename = path => isCompiled(path) && sources.has(plainName(path)) ? builtName(path) : path
    files.set('manifest.json', { content: manifest.render(rename, styles), part: 'loaded' })
    if ([...built.files.values()].some(content => content.includes(`"/${PACKAGES_DIR}/`))) await this.#addPackages(files)
    return files
  }

  async #addPackages (files) {
    const folder = join(PACKAGES, this.#mode)
    for (const name of (await walk(folder)).files) {
      files.set(`${PACKAGES_DIR}/${name}`, { content: await readFile(join(folder, name)), part: 'pages' })
    }
  }
}

/** Limits the time of a promise: esbuild's promises never settle when its process is stopped. */
async function within (ms, promise) {
  const timer = new AbortController()
  try {
    return await Promise.race([promise, sleep(ms, undefined, { signal: timer.signal }).then(() => { throw new Error('esbuild did not answer') })])
  } finally {
    timer.abort()
  }
}

/** The sources to build, by kind. Scripts of the manifest come first: a page may load the same script. */
function wantedOf (manifest, pages, sources) {
  const wanted = { pages: new Set(), modules: new Set(), scripts: new Set() }
  const isWanted = name => Object.values(wanted).some(names => names.has(name))
  const add = (kind, path) => {
    const name = sources.script(path)
    if (name && !isWanted(name)) wanted[kind].add(name)
  }
  for (const { path, context } of manifest.scripts()) add(context === 'worker' && manifest.hasModuleWorker ? 'modules' : 'scripts', path)
  for (const script of pages.flatMap(page => page.scripts)) {
    if (script.isModule) add('pages', script.path)
    else if (isCompiled(sources.script(script.path) ?? '')) add('scripts', script.path)
  }
  return Object.fromEntries(Object.entries(wanted).map(([kind, names]) => [kind, [...names]]))
}

/** The missing files of the manifest. Chromium refuses an extension without one of its scripts, but not without a page. */
function missingOf (manifest, sources) {
  const scripts = manifest.scripts().filter(({ path }) => !sources.script(path))
  const pages = manifest.pages().filter(({ path }) => !sources.has(plainName(path.split(/[?#]/)[0])))
  return [...scripts.map(reference => ({ ...reference, stops: true })), ...pages].map(({ path, line, column, context, stops }) => ({
    kind: 'missing-file', message: `manifest.json: ${path} does not exist`, file: 'manifest.json', line, column, context, stops
  }))
}

function missingScripts ({ name, scripts }, sources) {
  return scripts.filter(({ path }) => !sources.script(path)).map(({ written, line, column }) => ({
    kind: 'missing-file', message: `${name}: ${written} does not exist`, file: name, line, column, context: 'page'
  }))
}

function withoutManifest (sources) {
  const file = PROJECT_FILES.find(name => sources.has(name))
  if (!file) return { kind: 'missing-file', message: 'manifest.json does not exist', context: 'manifest' }
  return {
    kind: 'wrong-template',
    message: `There is ${file} and no manifest.json: this is a project. Create the session with template=project, or push the built folder`,
    file,
    context: 'manifest'
  }
}

function unreadable ({ words, ...place }) {
  return { kind: 'manifest-error', message: `manifest.json is not valid JSON: ${words}`, file: 'manifest.json', ...place, context: 'manifest' }
}
