import { posix } from 'node:path'
import { parse } from 'parse5'
import { plainName } from './sources.mjs'

const URL_ATTRIBUTES = ['src', 'href']

/** A page of the extension. Only the names of scripts in its text are changed. */
export class Page {
  /** `path` in the extension, `isModule`, and the script's place in the text. */
  scripts = []
  /** Names of the files in its `src` and `href` attributes. */
  references = new Set()

  constructor (name, text) {
    this.name = name
    this.text = text
    const nodes = [parse(text, { sourceCodeLocationInfo: true })]
    for (let node = nodes.pop(); node; node = nodes.pop()) {
      this.#collect(node)
      nodes.push(...node.childNodes ?? [], ...node.content ? [node.content] : [])
    }
    this.scripts.sort((a, b) => a.start - b.start)
  }

  /** The text with compiled scripts renamed to .js, and with a link to the style sheet of each script that has one. `built` gives both for a script. */
  render (built) {
    let text = this.text
    for (const script of this.scripts.toReversed()) {
      const { isCompiled, style } = built(script) ?? {}
      if (isCompiled) {
        const [start, end] = script.attribute
        text = text.slice(0, start) + text.slice(start, end).replace(/\.\w+(?=["'?#]|$)/, '.js') + text.slice(end)
      }
      if (style && !this.references.has(style)) {
        text = `${text.slice(0, script.start)}<link rel="stylesheet" href="/${encodeURI(style)}">${text.slice(script.start)}`
      }
    }
    return text
  }

  #collect (node) {
    for (const { name, value } of node.attrs ?? []) {
      const path = URL_ATTRIBUTES.includes(name) && this.#local(value)
      if (path) this.references.add(path)
    }
    if (node.tagName === 'script') this.#addScript(node)
  }

  #addScript ({ attrs, sourceCodeLocation: location }) {
    const { src = '', type = '' } = Object.fromEntries(attrs.map(({ name, value }) => [name, value]))
    const path = this.#local(src)
    if (!path || !location || !['', 'module', 'text/javascript', 'application/javascript'].includes(type)) return
    const { startOffset, endOffset, startLine, startCol } = location.attrs.src
    this.scripts.push({ path, written: src, isModule: type === 'module', start: location.startOffset, attribute: [startOffset, endOffset], line: startLine, column: startCol })
  }

  /** The file of the extension for a URL in the page; undefined when the URL leads elsewhere. */
  #local (url) {
    const [path] = url.trim().split(/[?#]/)
    if (!path || /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(path)) return
    const name = posix.normalize(path.startsWith('/') ? plainName(path) : posix.join(posix.dirname(this.name), path))
    try {
      return name.startsWith('../') ? undefined : decodeURI(name)
    } catch {
      return name
    }
  }
}
