// One build of the extension, in memory: nothing is written here.

import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { hashOf } from './files.mjs'

/**
 * Loads the bundler. It is the slow part of a start, so it is not a static import.
 */
export async function loadBundler () {
  const [{ build }, { crx }] = await Promise.all([import('vite'), import('@crxjs/vite-plugin')])
  return { build, crx }
}

/**
 * Builds the extension as it is on disk now. Every build starts from nothing: it costs
 * about 50 ms, and new, renamed and deleted files need no rules of their own.
 * @returns {Promise<{files: Map<string, Buffer>, parts: Record<string, string>, worker: boolean}>}
 *   what Chromium is to load, one hash per part of the extension, whether it has a service worker
 */
export async function bundle ({ build, crx }, sourceDir, sourceFiles) {
  const manifest = await readManifest(sourceDir)
  const modules = new Set()
  const { output } = await build({
    root: sourceDir,
    configFile: false,
    envFile: false,
    publicDir: false,
    mode: 'development',
    logLevel: 'silent',
    plugins: [crx({ manifest }), moduleNames(sourceDir, modules)],
    build: {
      write: false,
      minify: false,
      modulePreload: false,
      reportCompressedSize: false,
      sourcemap: 'inline',
      target: 'esnext'
    }
  })
  const files = new Map(output.map(item => [item.fileName, Buffer.from(item.code ?? item.source)]))
  const plain = sourceFiles.filter(name => !modules.has(name) && !files.has(name))
  const assets = new Map()
  for (const name of plain) assets.set(name, await readFile(join(sourceDir, name)))
  const parts = hashParts(manifest, output, assets)
  for (const [name, content] of assets) files.set(name, content)
  return { files, parts, worker: Boolean(manifest.background?.service_worker) }
}

async function readManifest (sourceDir) {
  const text = await readFile(join(sourceDir, 'manifest.json'), 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`manifest.json: ${error.message}`)
  }
}

// Sources that went into the bundle. The others (pages and scripts that are only named
// in a string, locales, pictures) are copied as they are, so that every path works.
function moduleNames (sourceDir, modules) {
  return {
    name: 'module-names',
    buildEnd () {
      for (const id of this.getModuleIds()) modules.add(relative(sourceDir, id.split('?')[0]))
      modules.add('manifest.json')
    }
  }
}

// What changed decides what is reloaded: a page of the extension is read from disk each
// time it is opened, everything else is read when the extension is loaded.
function hashParts (manifest, output, assets) {
  const byName = new Map(output.map(item => [item.fileName, item]))
  const pages = output.filter(item => item.fileName.endsWith('.html'))
  const pageScripts = pages.flatMap(page => namesIn(String(page.source), byName))
  const pageFiles = reach([...pages.map(page => page.fileName), ...pageScripts], byName)
  const otherScripts = output.filter(item => item.isEntry && !pageFiles.has(item.fileName))
  const loaded = reach(otherScripts.map(item => item.fileName), byName)
  for (const item of output) {
    if (!pageFiles.has(item.fileName)) loaded.add(item.fileName)
  }
  return {
    manifest: hashOf(JSON.stringify(manifest)),
    scripts: hashFiles(loaded, byName),
    pages: hashFiles(pageFiles, byName),
    assets: hashOf(...[...assets].flat())
  }
}

function namesIn (html, byName) {
  return [...byName.keys()].filter(name => html.includes(`"/${name}"`))
}

function reach (names, byName, seen = new Set()) {
  for (const name of names) {
    if (seen.has(name) || !byName.has(name)) continue
    seen.add(name)
    const { imports = [], dynamicImports = [] } = byName.get(name)
    reach([...imports, ...dynamicImports], byName, seen)
  }
  return seen
}

function hashFiles (names, byName) {
  const content = name => byName.get(name).code ?? byName.get(name).source
  return hashOf(...[...names].sort().flatMap(name => [name, content(name)]))
}
