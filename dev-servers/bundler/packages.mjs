import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { PACKAGES } from './prebundle.mjs'

/** The packages that the sources of every bundled extension may import. */
export const packageNames = ['react', 'react-dom']

/** The folder in the extension with the packages that its pages import. */
export const PACKAGES_DIR = 'packages'

/** An empty source map: a package's own map would be larger than the package, and people do not debug into packages. */
const NO_MAP = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify({
  version: 3, sources: [PACKAGES_DIR], sourcesContent: [''], mappings: 'AAAA'
})).toString('base64')}`

const CODE_IMPORTS = ['import-statement', 'dynamic-import', 'require-call']

/**
 * esbuild plugin that finds the packages. A page's script loads them as files of the extension, so they are not built
 * again with it. Content scripts and workers contain them.
 */
export function packages ({ mode, sources, isPage }) {
  const folder = join(PACKAGES, mode)
  return {
    name: 'packages',
    setup (build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
        const [name] = path.split('/')
        if (!CODE_IMPORTS.includes(kind) || !packageNames.includes(name)) return
        if (sources().has(`node_modules/${name}/package.json`)) return // the person has pushed the package
        if (!existsSync(join(folder, `${path}.js`))) return
        if (isPage) return { path: `/${PACKAGES_DIR}/${path}.js`, external: true, sideEffects: false }
        return { path: `${path}.js`, namespace: PACKAGES_DIR, sideEffects: false }
      })
      build.onResolve({ filter: /^\./, namespace: PACKAGES_DIR }, ({ path, importer }) => {
        return { path: posix.join(posix.dirname(importer), path), namespace: PACKAGES_DIR }
      })
      // a namespace makes the output independent of the folder where the packages are installed
      build.onLoad({ filter: /./, namespace: PACKAGES_DIR }, async ({ path }) => {
        return { contents: await readFile(join(folder, path), 'utf8') + NO_MAP, loader: 'js' }
      })
    }
  }
}
