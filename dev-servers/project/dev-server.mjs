// Development server of projects: installs their dependencies, runs their own build after every change of the sources,
// finds the built extension, and keeps the folder that Chromium loads equal to it. It reloads nothing: the server of Ex10
// asks it for changes and reloads.
//
//   node dev-server.mjs --port 8000 SOURCE_DIR EXTENSION_DIR   serve
//   node dev-server.mjs --build SOURCE_DIR EXTENSION_DIR       build a copy of the sources once, and exit
//
// Both folders are absolute or below the home folder.

import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Changes } from './changes.mjs'
import { endStragglers } from './command.mjs'
import { listen } from './http.mjs'
import { Project } from './project.mjs'

const { values, positionals } = parseArgs({
  options: { build: { type: 'boolean' }, port: { type: 'string' } },
  allowPositionals: true
})
const [sourceDir, extensionDir] = positionals.map(path => resolve(homedir(), path))
if (!extensionDir) throw new Error('usage: dev-server.mjs --port N | --build SOURCE_DIR EXTENSION_DIR')
if (values.build) await buildOnce()
else await serve(Number(values.port))

async function serve (port) {
  await endStragglers() // processes of an instance of this program that was killed
  mkdirSync(sourceDir, { recursive: true })
  const changes = new Changes(extensionDir)
  const project = new Project(sourceDir, extensionDir, join(homedir(), '.ex10-project.json'), changes)
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { project.stop().finally(() => process.exit()) })
  await listen(port, project, changes)
  project.begin(builtAtSetUp())
}

/** The fingerprints of the sources of set-up's builds. A session begins with one of these builds. */
function builtAtSetUp () {
  return globSync('built/*.sources', { cwd: import.meta.dirname }).map(name => readFileSync(join(import.meta.dirname, name), 'utf8'))
}

async function buildOnce () {
  const copy = mkdtempSync(join(tmpdir(), 'ex10-build-'))
  try {
    cpSync(sourceDir, copy, { recursive: true })
    const changes = new Changes(extensionDir)
    const project = new Project(copy, extensionDir, join(copy, '.ex10-project.json'), changes)
    const from = project.begin()
    await project.idle()
    await project.stop()
    if (changes.problems.length > 0) throw new Error(changes.problems.map(({ message }) => message).join('\n'))
    writeFileSync(`${extensionDir}.sources`, from)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
