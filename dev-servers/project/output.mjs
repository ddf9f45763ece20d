import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { failed } from './failure.mjs'
import { SETTINGS_FILE } from './settings.mjs'

/** Folders where builds put extensions, the most usual first. */
const USUAL = ['dist', 'build', 'out', 'output', '.output', 'extension', 'public']
const MAX_DEPTH = 4
const MAX_FOLDERS = 5000
const SKIPPED = ['node_modules', '.git']
const OTHER_BROWSERS = /firefox|safari|edge|opera|mv2/i

/**
 * The folder, relative to the project, with the built extension. A manifest.json among the sources does not count as built.
 * @param {object} options `files`: the sources; `since`: when the build began; `former`: the output of the build before;
 *   `isOther`: whether that was a build of another project
 * @throws {Failure} when there is none
 */
export function findOutput (root, { output, files, since, former, isOther }) {
  if (output !== undefined) {
    const folder = output.replace(/^\.\/|\/+$/g, '') || '.'
    if (manifestTime(root, folder) !== undefined) return folder
    throw failed('build', `The build ended, and there is no manifest.json in ${folder}, which ${SETTINGS_FILE} names as its output`, { file: SETTINGS_FILE })
  }
  const found = extensionsIn(root, files)
  const fresh = found.filter(({ time }) => time >= since)
  // some builds do not rewrite unchanged files
  const kept = isOther ? [] : [...found.filter(({ folder }) => folder === former), ...found.sort(byPlace)]
  const best = fresh.sort(byPlace)[0] ?? kept[0]
  if (best) return best.folder
  if (files.has('manifest.json')) return '.'
  throw failed('build', `The build ended, but it made no folder with a manifest.json (looked in dist, build, out, .output and others): set "output" in ${SETTINGS_FILE}, for example {"output": "dist/chrome"}`)
}

/** All folders with an extension's manifest that is not one of the sources. */
function extensionsIn (root, files) {
  const folders = ['']
  const found = []
  for (const folder of folders) {
    for (const entry of entriesOf(join(root, folder))) {
      const path = folder ? `${folder}/${entry.name}` : entry.name
      if (entry.isDirectory() && !SKIPPED.includes(entry.name) && path.split('/').length <= MAX_DEPTH && folders.length < MAX_FOLDERS) folders.push(path)
      if (entry.name !== 'manifest.json' || files.has(path)) continue
      const time = manifestTime(root, folder)
      if (time !== undefined) found.push({ folder, time })
    }
  }
  return found
}

function byPlace (a, b) {
  const rank = ({ folder }) => {
    const place = USUAL.indexOf(folder.split('/')[0])
    return (OTHER_BROWSERS.test(folder) ? 1000 : 0) + (place === -1 ? 100 : place) + folder.split('/').length / 10
  }
  return rank(a) - rank(b) || b.time - a.time
}

/** The time when the folder's manifest.json was written; undefined unless it is an extension's. */
function manifestTime (root, folder) {
  try {
    const path = join(root, folder, 'manifest.json')
    const text = readFileSync(path, 'utf8')
    return text.includes('manifest_version') ? statSync(path).mtimeMs : undefined
  } catch {
    return undefined
  }
}

function entriesOf (folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
