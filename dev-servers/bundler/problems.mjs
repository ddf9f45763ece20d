import { isBuiltin } from 'node:module'
import { dirname, extname, posix } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { OUTSIDE, outsideMessage } from './inside.mjs'
import { packageNames } from './packages.mjs'

const MAX_PROBLEMS = 50
const MAX_MESSAGE = 1000

/** esbuild's messages, and the message for the person instead. `words` are the pattern's groups, `file` is the file with the error, `location` is esbuild's. */
const SAYINGS = [
  [new RegExp(`^${OUTSIDE}$`), (words, file, location) => ({ kind: 'build-error', message: outsideMessage(file, 'imports', importedAt(location)) })],
  [/^Could not resolve "(.+)"$/s, unresolved],
  [/^No loader is configured for "(.*?)" files: (.+)$/s, ([, extension, path], file) => ({
    kind: 'build-error', message: `${file} imports ${plainPath(path)}: files that end in ${extension} can only be imported in a session with template=project, by a build of its own`
  })],
  [/^Top-level await is/, (words, file) => ({ kind: 'build-error', isModuleOnly: true, message: `${file}: await outside of a function works in pages, and in a worker of type "module"` })],
  [/^The JSX syntax extension is not/, (words, file) => ({ kind: 'syntax-error', message: `${file} has JSX: give it a name that ends in .jsx or .tsx` })],
  [/^No matching export in/, ([text]) => ({ kind: 'build-error', message: text })]
]

/** One of esbuild's errors or warnings as a problem. `isModuleOnly`: the code is valid in a module, not in a script. */
export function problemOf ({ text, location, pluginName }, isWarning = false) {
  const file = location && plainPath(location.file)
  const saying = SAYINGS.find(([pattern]) => pattern.test(text))
  const { kind, message, isModuleOnly = false } = saying ? saying[1](saying[0].exec(text), file ?? 'The extension', location) : { kind: pluginName || !file ? 'build-error' : 'syntax-error', message: text }
  return {
    kind: isWarning ? 'warning' : kind,
    message,
    ...file && { file, line: location.line, column: columnOf(location) },
    context: 'build',
    isModuleOnly
  }
}

/** The problems for the answer: limited in number and length, without control characters. */
export function bounded (problems) {
  return problems.slice(0, MAX_PROBLEMS).map(({ stops, isModuleOnly, ...problem }) => ({
    ...problem, message: stripVTControlCharacters(problem.message).replace(/\s+/g, ' ').slice(0, MAX_MESSAGE)
  }))
}

function unresolved ([, path], file) {
  if (/^[./]/.test(path)) {
    const missing = path.startsWith('/') ? path.slice(1) : posix.join(dirname(file), path)
    const name = extname(missing) ? missing : `${missing} (.ts, .tsx, .js or .jsx)`
    return { kind: 'missing-file', message: `${file}: ${name} does not exist` }
  }
  if (isBuiltin(path)) return { kind: 'build-error', message: `${file} imports ${path}, which is a part of Node.js: a browser does not have it` }
  return { kind: 'build-error', message: `${file} imports ${path}: bundled templates have the packages ${packageNames.join(' and ')} only. Create the session with template=project, which installs others` }
}

/** The path of an import as the person has written it. */
function importedAt (location) {
  if (!location) return 'a file'
  const { lineText, column, length } = location
  return plainPath(Buffer.from(lineText).subarray(column, column + length).toString().replace(/^(url\()?["'`]?|["'`]?\)?$/g, ''))
}

/** esbuild counts bytes from 0. */
function columnOf ({ lineText, column }) {
  return Buffer.from(lineText).subarray(0, column).toString().length + 1
}

/** The path without the suffix that a plugin adds. */
function plainPath (path) {
  return path.replace(/\?(raw|inline|url)$/, '').slice(0, 1000)
}
