import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { PACKAGES } from './prebundle.mjs'

/** The packages that the sources of every bundled extension may import. */
export const packageNames = ['react', 'react-dom']

/** The folder of the extension that holds the packages which its pages import. */
export const PACKAGES_DIR = 'packages'

/** A source map that maps nothing: nobody looks into a package, and its map would be larger than it. */
const NO_MAP = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify({
  version: 3, sources: [PACKAGES_DIR], sourcesContent: [''], mappings: 'AAAA'
})).toString('base64')}`

const CODE_IMPORTS = ['import-statement', 'dynamic-import', 'require-call']

/**
 * esbuild's plugin that finds the packages. A page's script loads them as files of the extension: they are not built
 * again with it. Content scripts and workers have them inside.
 */
export function packages ({ mode, sources, isPage }) {
  const folder = join(PACKAGES, mode)
  return {
    name: 'packages',
    setup (build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
        const [name] = path.split('/')
        if (!CODE_IMPORTS.includes(kind) || !packageNames.includes(name)) return
        if (sources().has(`node_modules/${name}/package.json`)) return // the person's own
        if (!existsSync(join(folder, `${path}.js`))) return
        if (isPage) return { path: `/${PACKAGES_DIR}/${path}.js`, external: true, sideEffects: false }
        return { path: `${path}.js`, namespace: PACKAGES_DIR, sideEffects: false }
      })
      build.onResolve({ filter: /^\./, namespace: PACKAGES_DIR }, ({ path, importer }) => {
        return { path: posix.join(posix.dirname(importer), path), namespace: PACKAGES_DIR }
      })
      // a namespace: what is built is the same wherever they are installed
      build.onLoad({ filter: /./, namespace: PACKAGES_DIR }, async ({ path }) => {
        return { contents: await readFile(join(folder, path), 'utf8') + NO_MAP, loader: 'js' }
      })
    }
  }
}
