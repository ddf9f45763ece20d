import jsonc from 'jsonc-parser'
import { plainName } from './sources.mjs'

const PAGES = [['action', 'default_popup'], ['options_page'], ['options_ui', 'page'], ['side_panel', 'default_path'], ['devtools_page'],
  ['chrome_url_overrides', 'newtab'], ['chrome_url_overrides', 'history'], ['chrome_url_overrides', 'bookmarks']]

/** The manifest, read as Chromium reads it: with comments, and a byte order mark. Only names in its text are changed. */
export class Manifest {
  #tree
  #strings = []

  constructor (text) {
    this.text = text.replace(/^\uFEFF/, '')
    const errors = []
    this.#tree = jsonc.parseTree(this.text, errors)
    /** The reason why it is not a JSON object, with the place. */
    this.error = errors.length > 0 || this.#tree?.type !== 'object' ? this.#errorOf(errors[0] ?? { error: 0, offset: 0 }) : undefined
    if (this.#tree) this.#collect(this.#tree)
  }

  get hasModuleWorker () {
    return this.#at(['background', 'type'])?.value === 'module'
  }

  /** The scripts in the manifest: `context`, `path` as written, `line`, `column`, `index` of the content script. */
  scripts () {
    const worker = this.#at(['background', 'service_worker'])
    const contentScripts = this.#at(['content_scripts'])?.children ?? []
    return [
      ...worker?.type === 'string' ? [this.#reference(worker, 'worker')] : [],
      ...contentScripts.flatMap((node, index) => (jsonc.findNodeAtLocation(node, ['js'])?.children ?? [])
        .filter(({ type }) => type === 'string')
        .map(script => ({ ...this.#reference(script, 'content-script'), index })))
    ]
  }

  /** The pages in the manifest. */
  pages () {
    return PAGES.map(path => this.#at(path)).filter(node => node?.type === 'string' && node.value).map(node => this.#reference(node, 'page'))
  }

  /** Tells whether the manifest names the file, other than as a page that is opened from disk. */
  names (name) {
    return this.#strings.some(({ value, key }) => plainName(value) === name && (!name.endsWith('.html') || key === 'web_accessible_resources'))
  }

  /** The text with new names: `rename` maps each string, `styles` holds the style sheets of content scripts, by index. */
  render (rename, styles) {
    const edits = this.#strings.map(({ value, offset, length }) => ({ offset, length, content: JSON.stringify(rename(value)), isNeeded: rename(value) !== value }))
    for (const [index, names] of styles) {
      const list = jsonc.findNodeAtLocation(this.#tree, ['content_scripts', index, 'css'])
      const own = Array.isArray(list && jsonc.getNodeValue(list)) ? jsonc.getNodeValue(list).filter(name => typeof name === 'string') : []
      const all = JSON.stringify([...own, ...[...names].filter(name => !own.map(plainName).includes(name))])
      if (list) edits.push({ ...list, content: all, isNeeded: all !== JSON.stringify(own) })
      else edits.push({ offset: this.#at(['content_scripts', index]).offset + 1, length: 0, content: ` "css": ${all},`, isNeeded: true })
    }
    return jsonc.applyEdits(this.text, edits.filter(({ isNeeded }) => isNeeded))
  }

  #at (path) {
    return this.#tree && jsonc.findNodeAtLocation(this.#tree, path)
  }

  #reference ({ value, offset }, context) {
    return { context, path: value, ...this.#placeOf(offset) }
  }

  /** "CommaExpected" → "comma expected" */
  #errorOf ({ error, offset }) {
    const words = (jsonc.printParseErrorCode(error) || 'ObjectExpected').replace(/\B[A-Z]/g, letter => ` ${letter.toLowerCase()}`).toLowerCase()
    return { words: words.startsWith('<') ? 'object expected' : words, ...this.#placeOf(offset) }
  }

  #placeOf (offset) {
    const before = this.text.slice(0, offset).split('\n')
    return { line: before.length, column: before.at(-1).length + 1 }
  }

  #collect (node, key) {
    if (node.type === 'string') this.#strings.push({ value: node.value, offset: node.offset, length: node.length, key })
    if (node.type === 'array') for (const child of node.children) this.#collect(child, key)
    if (node.type === 'object') for (const { children: [name, child] } of node.children) if (child) this.#collect(child, key ?? name.value)
  }
}
