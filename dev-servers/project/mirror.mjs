import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

const MAX_FILES = 50_000
const SKIPPED = ['node_modules', '.git']

/**
 * Makes `target` equal to `output`, each file by a rename, so that Chromium never reads half a file. The manifest is
 * written after all other files and before the removals: until then, the old manifest names the old files.
 * @returns {string[]} the paths that were written or removed
 */
export function mirror (output, target) {
  mkdirSync(target, { recursive: true })
  const temporary = `${target}.new`
  const [made, old] = [walk(output), walk(target)]
  const changed = []
  for (const path of made.files.sort((a, b) => Number(a === 'manifest.json') - Number(b === 'manifest.json'))) {
    const [from, to] = [join(output, path), join(target, path)]
    if (isEqual(from, to)) continue
    makeFolder(dirname(to))
    if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory()) rmSync(to, { recursive: true })
    try {
      copyFileSync(from, temporary)
      renameSync(temporary, to)
    } catch (error) {
      rmSync(temporary, { force: true }) // half a file must not take the rest of a full home
      throw error
    }
    changed.push(path)
  }
  const kept = new Set(made.files)
  for (const path of old.files) {
    if (kept.has(path)) continue
    rmSync(join(target, path), { force: true })
    changed.push(path)
  }
  for (const folder of old.folders.reverse()) removeIfEmpty(join(target, folder)) // Chromium refuses an empty _locales
  return changed
}

/** The parts of the extension that the changed paths belong to. Only pages are read from disk each time that they are opened. */
export function partsOf (paths) {
  if (paths.length === 0) return []
  return paths.every(path => /\.html?$/.test(path)) ? ['pages'] : ['loaded']
}

function isEqual (a, b) {
  const [size, other] = [a, b].map(path => statSync(path, { throwIfNoEntry: false }))
  return other?.isFile() === true && size?.size === other.size && readFileSync(a).equals(readFileSync(b))
}

function makeFolder (folder) {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    if (!['EEXIST', 'ENOTDIR'].includes(error.code)) throw error
    let path = folder
    while (lstatSync(path, { throwIfNoEntry: false }) === undefined) path = dirname(path)
    unlinkSync(path) // a file is in the place of a folder
    mkdirSync(folder, { recursive: true })
  }
}

function removeIfEmpty (folder) {
  try {
    rmdirSync(folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT', 'ENOTDIR'].includes(error.code)) throw error
  }
}

/** Files and folders below `root`. Links to files count as files; links to folders are not followed. */
function walk (root) {
  const files = []
  const folders = ['']
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (SKIPPED.includes(entry.name)) continue
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile() || (entry.isSymbolicLink() && statSync(join(root, path), { throwIfNoEntry: false })?.isFile())) files.push(path)
      if (files.length > MAX_FILES) throw new Error(`there are more than ${MAX_FILES} files in the built extension`)
    }
  }
  return { files, folders: folders.slice(1) }
}
