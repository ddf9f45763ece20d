// The source folder and the build folder on disk.

import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const maxSourceFiles = 5000

export function hashOf (...contents) {
  const hash = createHash('sha256')
  for (const content of contents) hash.update(content).update('\0')
  return hash.digest('base64url')
}

/**
 * Lists the sources. `state` differs whenever any of them was written, added or removed:
 * a rename over a file gives it another inode.
 */
export async function scanSources (sourceDir) {
  const { files, folders } = await walk(sourceDir, isSource)
  if (files.length > maxSourceFiles) throw new Error(`more than ${maxSourceFiles} files in the extension`)
  const stats = await Promise.all(files.map(name => stat(join(sourceDir, name), { bigint: true })))
  const state = hashOf(...stats.map((s, i) => `${files[i]} ${s.ino} ${s.size} ${s.mtimeNs} ${s.ctimeNs}`))
  return { files, folders: folders.map(name => join(sourceDir, name)), state }
}

function isSource (name) {
  return !name.startsWith('.') && name !== 'node_modules'
}

/**
 * Makes the build folder equal to `files`, each by a rename, so that Chromium never reads
 * half a file. The manifest comes last before the removals: until then it names the old files.
 * @returns {Promise<boolean>} whether anything was different
 */
export async function writeBuild (extensionDir, files) {
  const temporary = `${extensionDir}.tmp-${process.pid}`
  await mkdir(extensionDir, { recursive: true })
  const old = await walk(extensionDir)
  const present = new Set(old.files)
  const names = [...files.keys()].sort((a, b) => Number(a === 'manifest.json') - Number(b === 'manifest.json'))
  let different = false
  for (const name of names) {
    const target = join(extensionDir, name)
    if (present.delete(name) && files.get(name).equals(await readFile(target))) continue
    different = true
    await mkdir(dirname(target), { recursive: true })
    await writeFile(temporary, files.get(name))
    await rename(temporary, target)
  }
  for (const stale of present) await rm(join(extensionDir, stale))
  await removeEmpty(extensionDir, old.folders)
  return different || present.size > 0
}

// Chromium refuses an extension with an empty _locales folder.
async function removeEmpty (root, folders) {
  for (const folder of folders.filter(Boolean).reverse()) {
    await rmdir(join(root, folder)).catch(ignoreNotEmpty)
  }
}

function ignoreNotEmpty (error) {
  if (error.code !== 'ENOTEMPTY') throw error
}

// Symbolic links are neither followed nor copied.
async function walk (root, keep = () => true) {
  const files = []
  const folders = ['']
  for (const folder of folders) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      if (!keep(entry.name)) continue
      if (entry.isDirectory()) folders.push(join(folder, entry.name))
      if (entry.isFile()) files.push(join(folder, entry.name))
    }
  }
  return { files: files.sort(), folders }
}
