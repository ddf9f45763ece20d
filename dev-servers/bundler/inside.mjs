import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname, relative, resolve, sep } from 'node:path'
import jsonc from 'jsonc-parser'

const SETTINGS = ['tsconfig.json', 'package.json']
const REASON = 'a build reads only the files of the extension. Push that file, too'
const MAX_FILES = 50

/** The text of the plugin's error, which problems.mjs words for the person: esbuild adds the place of the import. */
export const OUTSIDE = 'outside the extension'

/** What the person reads: `file` names `path`, or leads there by a link. */
export const outsideMessage = (file, verb, path) => `${file} ${verb} ${path}, which is outside the extension: ${REASON}`

/** esbuild plugin that refuses each file outside the extension's folder, whatever has led there: a path, a link, a package's or tsconfig.json's settings. */
export function inside ({ sources }) {
  return {
    name: 'inside',
    setup (build) {
      build.onLoad({ filter: /./, namespace: 'file' }, async ({ path }) => {
        if (!await isInside(sources(), path)) return { errors: [{ text: OUTSIDE }] }
      })
    }
  }
}

/**
 * The settings that lead esbuild out of the extension, as problems: it reads `extends` of tsconfig.json, and settings
 * behind a link, without asking a plugin.
 */
export async function settingsOutside (sources) {
  const problems = []
  for (const name of sources.links.filter(name => SETTINGS.includes(basename(name)))) {
    if (!await isInside(sources, sources.path(name))) problems.push(problemOf(name, 'is a link to', await realpath(sources.path(name))))
  }
  for (const name of sources.names().filter(name => basename(name) === 'tsconfig.json')) problems.push(...await extendsOutside(sources, name))
  return problems
}

/** Follows `extends`, from file to file. */
async function extendsOutside (sources, first) {
  const problems = []
  const paths = new Set([sources.path(first)])
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => '') // esbuild reports a missing one
    for (const { value, offset } of extendedIn(text)) {
      const named = resolve(dirname(path), value)
      const candidates = [named, `${named}.json`] // the ending may be left out
      const insides = await Promise.all(candidates.map(candidate => isInside(sources, candidate)))
      if (insides.includes(false)) problems.push({ ...problemOf(relative(sources.dir, path), 'extends', value), ...placeOf(text, offset) })
      else if (paths.size < MAX_FILES) candidates.forEach(candidate => paths.add(candidate))
    }
  }
  return problems
}

/** The nodes of the paths in `extends`: one, or a list. A package's name is none. */
function extendedIn (text) {
  const tree = jsonc.parseTree(text)
  const node = tree?.type === 'object' ? jsonc.findNodeAtLocation(tree, ['extends']) : undefined
  const nodes = node?.type === 'array' ? node.children : node ? [node] : []
  return nodes.filter(({ value }) => typeof value === 'string' && isPath(value))
}

/** A package is looked for in node_modules: its name cannot lead out, unless it goes up. */
const isPath = value => /^[./]|(^|[/\\])\.\.([/\\]|$)/.test(value)

/** Tells whether the path leads into the extension's folder; links are followed. A missing file is where it would be. */
async function isInside (sources, path) {
  const [root, found] = await Promise.all([realpath(sources.dir), realpath(path).catch(() => resolve(path))])
  return [root, sources.dir].some(folder => found.startsWith(folder + sep))
}

function problemOf (file, verb, path) {
  return { kind: 'build-error', message: outsideMessage(file, verb, path), file, context: 'build', stops: true }
}

function placeOf (text, offset) {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: before.at(-1).length + 1 }
}
