import { createRequire } from 'node:module'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as esbuild from 'esbuild'

const IMPORTS = ['react', 'react/jsx-runtime', 'react-dom', 'react-dom/client']
export const PACKAGES = join(import.meta.dirname, 'packages')

/**
 * Makes one module of each package that extensions may import, parsed and printed by esbuild: builds of extensions need
 * not do that again, and a page loads the module as a file of its own. Set-up runs this, once.
 */
export async function prebundle () {
  if (existsSync(PACKAGES)) return
  const require = createRequire(import.meta.url)
  const entries = mkdtempSync(join(tmpdir(), 'ex10-'))
  const made = `${PACKAGES}.new`
  for (const mode of ['development', 'production']) {
    process.env.NODE_ENV = mode // packages choose their exports by it
    const entryPoints = IMPORTS.map(name => {
      const file = join(entries, `${name.replaceAll('/', '-')}.js`)
      writeFileSync(file, `export { default, ${Object.keys(require(name)).join(', ')} } from ${JSON.stringify(name)}\n`)
      return { in: file, out: name }
    })
    await esbuild.build({
      entryPoints,
      outdir: join(made, mode),
      nodePaths: [join(import.meta.dirname, 'node_modules')],
      bundle: true,
      splitting: true,
      format: 'esm',
      minify: true,
      legalComments: 'eof',
      target: 'esnext',
      define: { 'process.env.NODE_ENV': JSON.stringify(mode) }
    })
  }
  rmSync(entries, { recursive: true })
  renameSync(made, PACKAGES)
}
