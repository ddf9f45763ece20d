import { Type, type Static } from '@sinclair/typebox'
import type { Problem } from '#domain/programs/problem.ts'
import { plainText } from '#domain/machine/plain-text.ts'

/** The most errors of each kind that are read. */
export const MAX_ERRORS = 100
const MAX_FRAMES = 50

const StackFrame = Type.Object({ url: Type.String(), lineNumber: Type.Integer(), columnNumber: Type.Integer() })

const ManifestError = Type.Object({ message: Type.String(), manifestKey: Type.Optional(Type.String()), manifestSpecific: Type.Optional(Type.String()) })

const RuntimeError = Type.Object({
  message: Type.String(),
  source: Type.String(),
  contextUrl: Type.String(),
  isServiceWorker: Type.Optional(Type.Boolean()),
  stackTrace: Type.Array(StackFrame, { maxItems: MAX_FRAMES })
})

/** Chromium's data of an extension: the fields of chrome.developerPrivate.ExtensionInfo that are used here. */
export const ExtensionInfo = Type.Object({
  id: Type.String({ pattern: '^[a-p]{32}$' }),
  path: Type.Optional(Type.String()),
  manifestErrors: Type.Array(ManifestError, { maxItems: MAX_ERRORS }),
  runtimeErrors: Type.Array(RuntimeError, { maxItems: MAX_ERRORS }),
  installWarnings: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_ERRORS })),
  views: Type.Array(Type.Object({ type: Type.String(), url: Type.String() }), { maxItems: MAX_ERRORS })
})
export type ExtensionInfo = Static<typeof ExtensionInfo>

const MAX_PROBLEMS = 50
const MESSAGE_BYTES = 1000
const FILE_BYTES = 1000
/** Chromium's additional message about a worker that threw: it names no file. */
const NOT_REGISTERED = /^Service worker registration failed/

/** Problems that the server itself reports. */
export const NOT_RELOADED: Problem = { kind: 'not-reloaded', message: 'The code was written, but could not be built or reloaded: push again' }
export const NO_WORKER: Problem = { kind: 'uncaught-exception', message: 'The service worker did not start', context: 'worker' }
export const SLOW_WORKER: Problem = { kind: 'warning', message: 'The service worker has not started yet: its script runs for more than 5 s', context: 'worker' }

/** The problems that Chromium found in the extension since it was loaded, with the names of the person's own files. */
export function problemsOf (info: ExtensionInfo): Problem[] {
  const runtime = info.runtimeErrors.map(error => ofRuntime(error, info.id))
  const hasWorkerError = runtime.some(({ context, kind }) => context === 'worker' && kind !== 'warning')
  const manifest = info.manifestErrors
    .filter(({ message }) => !(hasWorkerError && NOT_REGISTERED.test(message)))
    .map(ofManifest)
  const warnings = (info.installWarnings ?? [])
    .filter(message => !info.manifestErrors.some(error => message.includes(error.message)))
    .map(message => ofManifest({ message }))
  return firstOfEach([...runtime, ...manifest, ...warnings])
}

/** Tells whether the problem kept a worker from starting. A warning does not. */
export function isOfWorker ({ context, kind }: Problem): boolean {
  return context === 'worker' && kind !== 'warning'
}

/** Each problem once, because a content script fails in every tab. Errors come before warnings. */
export function firstOfEach (problems: Problem[]): Problem[] {
  const known = new Map(problems.toReversed().map(problem => [JSON.stringify(problem), problem]))
  const all = [...known.values()].toReversed()
  return [...all.filter(({ kind }) => kind !== 'warning'), ...all.filter(({ kind }) => kind === 'warning')].slice(0, MAX_PROBLEMS)
}

/** The problem in Chromium's refusal to load the extension in the folder `path`. */
export function problemOfRefusal (words: string, path: string): Problem {
  const message = plainText(words.replaceAll(`${path}/`, '').replaceAll(path, ''), MESSAGE_BYTES)
  const [, line, column] = /\bat line (\d+) column (\d+)/.exec(message) ?? []
  return {
    kind: /^Could not load (?!manifest)/.test(message) ? 'missing-file' : 'manifest-error',
    message,
    file: 'manifest.json',
    ...place(Number(line), Number(column)),
    context: 'manifest'
  }
}

function ofManifest ({ message, manifestKey, manifestSpecific }: Static<typeof ManifestError>): Problem {
  const text = plainText(message, MESSAGE_BYTES)
  if (NOT_REGISTERED.test(text)) {
    return { kind: 'uncaught-exception', message: `The service worker did not start: ${text}`, ...file(manifestSpecific), context: 'worker' }
  }
  const [, rules] = manifestKey === 'declarative_net_request' ? /^([^:\n]{1,255}): /.exec(text) ?? [] : []
  if (rules !== undefined) return { kind: 'refused-rule', message: text, ...file(rules), context: 'manifest' }
  return { kind: 'warning', message: text, file: 'manifest.json', context: 'manifest' }
}

function ofRuntime ({ message, source, contextUrl, isServiceWorker, stackTrace }: Static<typeof RuntimeError>, id: string): Problem {
  const own = `chrome-extension://${id}/`
  const at = stackTrace.find(({ url }) => url.startsWith(own))
  const address = at?.url ?? (source.startsWith(own) ? source : '')
  const text = plainText(message.replaceAll(own, ''), MESSAGE_BYTES)
  return {
    kind: kindOf(text),
    message: text,
    ...file(decode(address.slice(own.length))),
    ...(at && place(at.lineNumber, at.columnNumber)),
    context: isServiceWorker ? 'worker' : contextUrl.startsWith(own) ? 'page' : 'content-script'
  }
}

function kindOf (text: string): Problem['kind'] {
  if (/^Uncaught SyntaxError|^Top-level await/.test(text)) return 'syntax-error'
  return text.startsWith('Uncaught') ? 'uncaught-exception' : 'warning'
}

function file (name = ''): { file?: string } {
  const text = plainText(name.split(/[?#]/, 1)[0] ?? '', FILE_BYTES)
  return text === '' ? {} : { file: text }
}

function decode (path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function place (line: number, column: number): { line?: number, column?: number } {
  const isPlace = (n: number) => Number.isSafeInteger(n) && n >= 1
  return { ...(isPlace(line) && { line }), ...(isPlace(line) && isPlace(column) && { column }) }
}
