import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

const ASSET = /\.(svg|png|jpe?g|gif|webp|avif|ico|woff2?|ttf|otf|mp3|mp4|webm|ogg|wav|wasm|pdf|html|txt)(\?url)?$/i
const ELSEWHERE = /^([a-z][a-z0-9+.-]*:|\/\/|#)/i

/**
 * esbuild plugin for files that are not scripts. Every source file is in the extension under its own name, so an import of
 * a picture gives its URL. `?url`, `?raw` and `?inline` after a name give a file's URL or its text.
 */
export function assets ({ sources, isPage }) {
  // Chromium replaces this message in CSS; a page of the extension needs only the path
  const base = isPage ? '/' : 'chrome-extension://__MSG_@@extension_id__/'
  const inExtension = (path, dir) => path.startsWith('/') ? sources().path(path.slice(1)) : join(dir, path)
  const nameOf = path => relative(sources().dir, path)

  return {
    name: 'assets',
    setup (build) {
      build.onResolve({ filter: /./ }, ({ path, kind, importer, resolveDir }) => {
        if (kind === 'entry-point') return
        const [, file, suffix] = /^([^?]*)(\?(?:raw|inline|url))?$/.exec(path) ?? []
        if (kind === 'url-token') {
          if (ELSEWHERE.test(path)) return { path, external: true }
          const name = nameOf(inExtension(path.replace(/[?#].*/, ''), resolveDir))
          const warnings = sources().has(name) ? [] : [{ text: `${nameOf(importer)}: ${name} does not exist` }]
          return { path: base + name, external: true, warnings }
        }
        if (file === undefined || !(suffix || path.startsWith('/')) || !/^[./]/.test(file)) return
        const found = inExtension(file, resolveDir)
        if (sources().has(nameOf(found))) return { path: found, suffix: suffix ?? '' }
      })
      build.onLoad({ filter: /./ }, async ({ path, suffix }) => {
        if (suffix === '?raw' || suffix === '?inline') return { contents: await readFile(path), loader: 'text' }
        if (suffix !== '?url' && !ASSET.test(path)) return
        return { contents: `export default chrome.runtime.getURL(${JSON.stringify(nameOf(path))})`, loader: 'js', resolveDir: dirname(path) }
      })
    }
  }
}
