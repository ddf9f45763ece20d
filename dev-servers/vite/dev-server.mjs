// Development server of the vanilla template: keeps the built extension equal to its
// sources, and says over HTTP when a build is done and what it changed. It reloads nothing:
// whoever pushed the change reloads the browser once the answer is there.
//
//   node dev-server.mjs --port 8000 SOURCE_DIR EXTENSION_DIR   serve
//   node dev-server.mjs --build SOURCE_DIR EXTENSION_DIR       build once and exit
//
// Both folders are absolute or below the home folder; EXTENSION_DIR is not in SOURCE_DIR.

import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createBuilder } from './builder.mjs'
import { listen } from './http.mjs'
import { watchFolders } from './watch.mjs'

const warmUpDelayMs = 2000

const { values, positionals } = parseArgs({
  options: { build: { type: 'boolean' }, port: { type: 'string', default: process.env.PORT } },
  allowPositionals: true
})
const [sourceDir, extensionDir] = positionals.map(path => resolve(homedir(), path))
if (!extensionDir) throw new Error('usage: dev-server.mjs --port N | --build SOURCE_DIR EXTENSION_DIR')

const builder = createBuilder({ sourceDir, extensionDir })

if (values.build) {
  await builder.build()
  builder.stop()
  const { ok, error } = builder.result(0)
  if (!ok) {
    console.error(error)
    process.exitCode = 1
  }
} else {
  await serve(Number(values.port))
}

// With a build in place, it is ready at once and leaves the processor to the browser that
// starts beside it: loading the bundler takes half a second of it.
async function serve (port) {
  const watcher = watchFolders(() => builder.build())
  builder.on('scan', folders => watcher.watch(folders))
  builder.on('result', logResult)
  const built = existsSync(join(extensionDir, 'manifest.json'))
  await listen(port, builder, { ready: built })
  if (built) await sleep(warmUpDelayMs)
  await builder.build()
}

function logResult () {
  const { version, ok, error, ms } = builder.result(0)
  if (ok) console.log(`build ${version} done in ${ms} ms`)
  else console.error(`build ${version} failed: ${error}`)
}
