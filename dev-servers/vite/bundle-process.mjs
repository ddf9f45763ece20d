// The bundler's process: a message with the names of the sources in, a result out.

import { bundle, loadBundler } from './bundle.mjs'
import { writeBuild } from './files.mjs'

const [sourceDir, extensionDir] = process.argv.slice(2)
const loading = loadBundler()

process.on('message', async sourceFiles => {
  process.send(await build(sourceFiles))
})

// Without the dev server there is nobody left to build for.
process.on('disconnect', () => process.exit())

async function build (sourceFiles) {
  let built
  try {
    built = await bundle(await loading, sourceDir, sourceFiles)
  } catch (error) {
    return { error: error.message, ofSources: true }
  }
  try {
    const { files, ...rest } = built
    return { ...rest, different: await writeBuild(extensionDir, files) }
  } catch (error) {
    return { error: error.message }
  }
}
