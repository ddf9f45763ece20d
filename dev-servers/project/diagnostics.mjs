import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { buildError, Failure } from './failure.mjs'

const MAX_PROBLEMS = 20
const MESSAGE_LINES = 14
/** Lines around the cause: stack frames, npm's messages about itself, headings and rulers. */
const NOISE = new RegExp([
  /^\s*at .*[(:/]/, /^npm (http|warn|notice|verbose)/, /^npm error (code ELIFECYCLE|A complete log|Log files were not|path |command |errno |syscall )/,
  /^> [^|\d]/, /^Node\.js v\d/, /^\S? ?Build failed (in|with) [\d.]+ ?(m?s|errors?:?)$/, /^error during build:$/, /errors: \[Getter\/Setter\]/, /^}$/, /^\s*[-=─]+\s*$/, /^\s*$/
].map(({ source }) => source).join('|'))
/** Patterns of the cause's first line, the surest first. */
const CAUSES = [/^\W*error\b|error: /i, /\berr(or|!)?\b|\bfailed\b|cannot|could not|unexpected|not found|✘|✖|×/i]
/** A place in a file, in the forms of compilers and bundlers: a.ts(1,2)  a.ts:1:2  ./a.js 1:2  a.js:1 */
const PLACE = /((?:\.{0,2}\/)?(?:[\w@.+[\]$-]+\/)*[\w@.+[\]$-]+\.[a-z]\w{0,7})(?:\((\d+),(\d+)\)|:(\d+)(?::(\d+))?| (\d+):(\d+))/gi
/** A complete error in one line, in the form of TypeScript's compiler. */
const WHOLE = /^(\S+?)(?:\((\d+),(\d+)\):|:(\d+):(\d+) -) error (TS\d+: .*)/

/** The failure of a command, for the person: the command's own last lines, with the place that they name. */
export function failure (context, words, { code, signal, timedOut, lines }, { root, limitMs }) {
  if (timedOut) {
    const advice = context === 'build' ? '; a command that goes on running belongs in "dev" of ex10.json' : ''
    return new Failure([buildError(context, `${words} did not end within ${limitMs / 60_000} minutes${advice}`)])
  }
  const own = lines.map(line => withoutHome(line, root))
  if (signal === 'SIGKILL' || code === 137 || own.some(line => /heap out of memory|^Killed$|allocation failed/i.test(line))) {
    return new Failure([buildError(context, `${words} was killed, most likely for want of memory: a session's programs share what EX10_SESSION_MEMORY allows, the browser's included`)])
  }
  const whole = own.map(line => WHOLE.exec(line)).filter(Boolean)
  if (whole.length > 0) return new Failure(whole.slice(0, MAX_PROBLEMS).map(match => buildError(context, match[6], placeOf(match, root))))
  const said = own.filter(line => !NOISE.test(line))
  const first = CAUSES.map(cause => said.findIndex(line => cause.test(line))).find(index => index !== -1) ?? -1
  const told = first === -1 ? said.slice(-MESSAGE_LINES) : said.slice(first, first + MESSAGE_LINES)
  const message = told.length > 0 ? told.join('\n') : `${words} ended with ${code === null ? signal : `exit code ${code}`}`
  return new Failure([buildError(context, message, findPlace([...told, ...own], root))])
}

/** Tells whether these lines of a running command report a failed build. */
export function tellsOfFailure (lines) {
  return lines.some(line => CAUSES[0].test(line) || /\bbuild failed\b|\bfailed to compile\b/i.test(line))
}

/** Paths relative to the project, or to the home. */
export function withoutHome (line, root) {
  return line.replaceAll(`file://${root}/`, '').replaceAll(`${root}/`, '').replaceAll(root, '.').replaceAll(homedir(), '~')
}

/** The first place in one of the project's own files. */
function findPlace (lines, root) {
  for (const line of lines) {
    for (const match of line.matchAll(PLACE)) {
      const place = placeOf([match[0], match[1], match[2] ?? match[4] ?? match[6], match[3] ?? match[5] ?? match[7]], root)
      if (!place.file.includes('node_modules') && !place.file.startsWith('..') && existsSync(join(root, place.file))) return place
    }
  }
  return {}
}

function placeOf ([, path, ...numbers], root) {
  const [line, column] = numbers.slice(0, 4).filter(Boolean).map(Number)
  const file = path.replace(/^\.?\/+/, '')
  return { file: file.slice(0, 1000), ...line > 0 && { line }, ...column > 0 && { column } }
}
