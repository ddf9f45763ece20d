/**
 * Every error that a caller can act on: its code is `EX10_` + the name here, beside it the HTTP status and
 * the message. Messages say what to do and never hold anything internal (paths, argv, stacks).
 */
const table = {
  BAD_REQUEST: [400, 'The request is not valid'],
  NOT_HTTP: [400, 'This is not HTTP as it is written down'],
  UNKNOWN_TEMPLATE: [400, 'There is no such template'],
  PATH_EMPTY: [400, 'A file path must name a file: it is empty'],
  PATH_NOT_TEXT: [400, 'A file path must be well-formed text'],
  PATH_NUL: [400, 'A file path must not hold a NUL character'],
  PATH_BACKSLASH: [400, 'A file path uses forward slashes, not backslashes'],
  PATH_ABSOLUTE: [400, 'A file path must be relative to the extension, not absolute'],
  PATH_TRAVERSAL: [400, 'A file path must not hold "." or ".." segments, in any encoding'],
  PATH_TOO_LONG: [400, 'A file path has at most 4096 bytes, and 255 in each of its parts'],
  PATH_IS_DIRECTORY: [400, 'The file path names a directory'],
  PATH_NOT_DIRECTORY: [400, 'A parent of the file path is not a directory'],
  PATH_SYMLINK: [400, 'The file path leads through a symbolic link'],
  PATH_NOT_REGULAR: [400, 'The file path names something that is not a regular file'],
  PATH_REPEATED: [400, 'A push names each file once'],
  PATH_NOT_FOUND: [400, 'There is no such file to delete'],
  BAD_ENCODING: [400, 'The content is not valid base64'],
  BAD_ARCHIVE: [400, 'The archive is empty, damaged, cut off, encrypted or compressed in an unusual way: make it again'],
  ARCHIVE_UNKNOWN: [400, 'An archive is a zip, a tar.gz, or a CRX of version 3'],
  ARCHIVE_LINK: [400, 'An archive holds files and folders: no links and no devices'],
  BAD_LOGOUT_TOKEN: [400, 'The logout token is not one of the provider\'s for this server, or too old, or was used before'],
  UNAUTHENTICATED: [401, 'Say who you are: log in, or send an API key as "Authorization: Bearer KEY"'],
  UNKNOWN_KEY: [401, 'The key or token is not known, or not in force any more: get another one'],
  CSRF: [403, 'A page that is logged in sends its token as x-csrf-token: GET /me tells it'],
  LOGIN_REFUSED: [403, 'The login cannot be finished: it was begun in another browser, or too long ago, or another one was begun since, or the provider refused it. Begin again at /'],
  NOT_A_USER: [403, 'The provider knows you, but you may not use this server: ask the operator'],
  FORBIDDEN: [403, 'Your credential is not good for that: ask for one with the scope'],
  ENDED_BY_ADMIN: [403, 'An admin has ended all of your sessions, and those that waited for their turn'],
  ORIGIN_REFUSED: [403, 'This origin may not do that: add it to EX10_ORIGINS'],
  BAD_TICKET: [403, 'The ticket is not valid any more: load the display page again'],
  PREFETCH_REFUSED: [403, 'A session is not created by a prefetch'],
  NOT_FOUND: [404, 'There is nothing here'],
  SESSION_NOT_FOUND: [404, 'No such session'],
  KEY_NOT_FOUND: [404, 'No such key'],
  LOGIN_NOT_FOUND: [404, 'No such login'],
  FILE_NOT_FOUND: [404, 'There is no such file'],
  SHARE_NOT_FOUND: [404, 'The link is not good, or not any more: ask for another one'],
  REQUEST_TIMEOUT: [408, 'The request came too slowly'],
  SESSION_NOT_READY: [409, 'The session is not ready: wait for the "complete" line'],
  BUILD_FAILED: [409, 'The extension could not be built for the export: its problems say why'],
  NOTHING_TO_EXPORT: [409, 'There is no extension to export: it has no manifest.json'],
  PRECONDITION_FAILED: [412, 'The file is not what If-Match or If-None-Match asks for: read it again'],
  ARCHIVE_TOO_LARGE: [413, 'An archive has at most 20,000 entries, which unpack to 200 MB, 100 MiB a file, and 100 times its own size'],
  EXPORT_TOO_LARGE: [413, 'An export has at most 20,000 files of 200 MB'],
  FILE_TOO_LARGE: [413, 'A file has at most 100 MiB'],
  TOO_MANY_FILES: [413, 'The session\'s folder holds more files than can be looked at: remove some'],
  TOO_LARGE: [413, 'Too large: a file may have 5 MiB and a request 20 MiB'],
  UNKNOWN_HOST: [421, 'This server does not answer to that host name: set EX10_PUBLIC_URL'],
  TOO_MANY_VIEWERS: [429, 'The session has as many viewers as it can: close one, or try again later'],
  TOO_MANY_SHARES: [429, 'The session has as many links as it can: revoke one'],
  TOO_MANY_TRANSFERS: [429, 'The session has as many transfers of files under way as it can: wait for one'],
  TOO_MANY_STREAMS: [429, 'The session has as many readers of its events as it can: close one, or try again later'],
  TOO_MANY_USER_SESSIONS: [429, 'You have as many sessions as you may: end one, or try again later'],
  TOO_MANY_REQUESTS: [429, 'Too often: wait, as Retry-After says'],
  HEADERS_TOO_LARGE: [431, 'The headers are too large: 16 KiB in all'],
  INTERNAL: [500, 'Something went wrong: the server\'s log says what'],
  STEP_FAILED: [500, 'The session could not be made: the server\'s log says why'],
  BAD_GATEWAY: [502, 'The session\'s display does not answer'],
  TOO_MANY_SESSIONS: [503, 'The server has as many sessions as it may: try again later'],
  QUEUE_FULL: [503, 'As many creations wait for their turn as may: try again later'],
  QUEUE_TIMEOUT: [503, 'The turn did not come in time: try again later'],
  PROVIDER_UNAVAILABLE: [503, 'The provider that people log in with does not answer: try again later, or use an API key'],
  NO_SLOT: [503, 'No slot is free: try again later'],
  FIREWALL: [503, 'The firewall is not in force, so no session may start: ask the operator'],
  BUSY: [503, 'The session still writes earlier pushes: try again'],
  REGISTRY: [503, 'The registry cannot be written: try again, or ask the operator'],
  OVERLOADED: [503, 'The server has no more processes, files or memory: try again later'],
  SHUTTING_DOWN: [503, 'The server is shutting down'],
  CLIENT_GONE: [499, 'The client went away before the session was ready'],
  DISK_FULL: [507, 'The session\'s disk is full'],
  WRITER_FAILED: [502, 'The session did not take the files: try again'],
  NO_DISK: [507, 'The server\'s disk could not hold another session: try again later'],
  STEP_TIMEOUT: [504, 'A step took too long, so the session was undone']
} as const satisfies Record<string, readonly [number, string]>

export type ErrorName = keyof typeof table

/** Names of the table that start with PATH_: the ones that a session's file writer may answer with. */
export type PathErrorName = Extract<ErrorName, `PATH_${string}`>

export interface ErrorContext {
  /** Replaces the table's message. */
  message?: string
  details?: Record<string, unknown>
  cause?: unknown
  /** Sent as the `Retry-After` header, in seconds; a 429 always has one. */
  retryAfterSeconds?: number
}

/** When to come again after a 429, where nobody knows better. */
const COME_AGAIN_SECONDS = 10

/** An error that a caller can act on: what the error handler and the progress stream show as it is. */
export class Ex10Error extends Error {
  override readonly name = 'Ex10Error'
  readonly code: string
  readonly statusCode: number
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined

  constructor (name: ErrorName, context: ErrorContext = {}) {
    const [statusCode, message] = table[name]
    super(context.message ?? message, { cause: context.cause })
    this.code = `EX10_${name}`
    this.statusCode = statusCode
    this.details = context.details
    this.retryAfterSeconds = context.retryAfterSeconds ?? (statusCode === 429 ? COME_AGAIN_SECONDS : undefined)
  }
}

/** The server cannot start: the message is the one line that the operator reads. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** Makes the error called `name` in the table above; throw it. */
export function failure (name: ErrorName, context?: ErrorContext): Ex10Error {
  return new Ex10Error(name, context)
}

/** What its caller reads: an ErrorReply of the schemas. */
export function toReply ({ code, message, statusCode, details }: Ex10Error) {
  return { success: false as const, code, message, statusCode, ...(details && { details }) }
}

/** What the machine lacks, by the codes of Node and the numbers of SQLite: sqlite.org/rescode.html. */
const LACKS: Record<string, ErrorName> = {
  ENOSPC: 'NO_DISK', EDQUOT: 'NO_DISK', 13: 'NO_DISK', 5: 'REGISTRY', EMFILE: 'OVERLOADED', ENFILE: 'OVERLOADED', EAGAIN: 'OVERLOADED', ENOMEM: 'OVERLOADED'
}

/** What a caller is told of any error: itself where it is one to act on, or what the machine lacked; else `otherwise`. */
export function shownAs (error: unknown, otherwise: ErrorName): Ex10Error {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Ex10Error) return cause
    const { code, errcode } = cause as { code?: string, errcode?: number }
    const lack = LACKS[errcode === undefined ? code ?? '' : errcode & 0xff] // without what SQLite's extended codes add
    if (lack) return failure(lack, { cause: error, retryAfterSeconds: 10 })
  }
  return failure(otherwise, { cause: error })
}

/** Whether `name`, from an untrusted answer, is one of the table's path errors. */
export function isPathError (name: string): name is PathErrorName {
  return name.startsWith('PATH_') && Object.hasOwn(table, name)
}
