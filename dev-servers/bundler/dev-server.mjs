// Dev server of the bundled templates: keeps the extension that Chromium loads equal to its built sources.
//
//   node dev-server.mjs --port 8000 SOURCE_DIR EXTENSION_DIR              serves
//   node dev-server.mjs --build [--production] SOURCE_DIR EXTENSION_DIR   builds once, then ends
//
// Both folders are absolute or below the home; EXTENSION_DIR is not in SOURCE_DIR. It reloads nothing: the server of Ex10
// asks it for changes and reloads (docs/templates.md). When sources cannot be built, the last good build stays.

import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Changes } from './changes.mjs'
import { listen } from './http.mjs'
import { originOf } from './origins.mjs'

const WARM_UP_MS = 2000

const { values, positionals } = parseArgs({
  options: { build: { type: 'boolean' }, production: { type: 'boolean' }, port: { type: 'string' } },
  allowPositionals: true
})
const [sourceDir, extensionDir] = positionals.map(path => resolve(homedir(), path))
if (!extensionDir) throw new Error('usage: dev-server.mjs --port N | --build [--production] SOURCE_DIR EXTENSION_DIR')
const mode = values.production ? 'production' : 'development'

// esbuild is a program in Go: these settings save memory and cost a little processor time
process.env.GOGC ??= '50'
process.env.GOMAXPROCS ??= '2'
const changes = new Changes()

if (values.build) {
  const { prebundle } = await import('./prebundle.mjs')
  await prebundle()
  const builder = await loadBuilder()
  await builder.build()
  await builder.stop()
  if (!changes.since(0).ok) process.exitCode = 1
} else {
  let loading
  const build = async () => await (await (loading ??= loadBuilder())).build()
  await listen(Number(values.port), { build, changes, origin: place => originOf(sourceDir, extensionDir, place) })
  // with a build in place, leave the processor to the browser, which starts at the same time
  if (existsSync(join(extensionDir, 'manifest.json'))) await sleep(WARM_UP_MS)
  await build()
}

/** Loads the builder late: esbuild and the parsers take longer to load than the rest of a start. */
async function loadBuilder () {
  const { Builder } = await import('./builder.mjs')
  return new Builder({ sourceDir, extensionDir, mode, changes })
}
