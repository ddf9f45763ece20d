/**
 * Every error that a caller can act on: its code is `EX10_` + the name here. Beside it stand the HTTP status, the message
 * and, where trying again helps, in how many seconds. Messages say what to do and never hold anything internal (paths, argv, stacks).
 */
const table = {
  BAD_REQUEST: [400, 'The request is not valid'],
  NOT_HTTP: [400, 'Malformed HTTP request'],
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
  BAD_LOGOUT_TOKEN: [400, 'The logout token was not issued by the provider for this server, has expired, or was used before'],
  UNAUTHENTICATED: [401, 'Authentication is required: log in, or send an API key as "Authorization: Bearer KEY"'],
  UNKNOWN_KEY: [401, 'The key or token is unknown, expired or revoked: get another one'],
  CSRF: [403, 'A logged-in page must send its token as x-csrf-token: GET /me answers with it'],
  LOGIN_REFUSED: [403, 'The login cannot be finished: it was begun in another browser or too long ago, a later login replaced it, or the provider refused it. Begin again at /'],
  NOT_A_USER: [403, 'The provider knows you, but you may not use this server: ask the operator'],
  FORBIDDEN: [403, 'Your credential lacks the scope that this needs: see `details.scope`'],
  ENDED_BY_ADMIN: [403, 'An admin has ended all of your sessions, and your creations that waited in the queue'],
  ORIGIN_REFUSED: [403, 'Requests from this origin are refused: add it to EX10_ORIGINS'],
  KEY_IN_PLAIN_TEXT: [403, 'This key came over plain http from another machine, so others may have read it: replace it, and use https. Behind a proxy with https, the operator sets EX10_TRUST_PROXY, and the proxy sends X-Forwarded-Proto'],
  BAD_TICKET: [403, 'The ticket is unknown, used or expired: load the display page again'],
  DISPLAY_URL_EXPIRED: [403, 'This address of the display has expired: GET /sessions/ID answers with a new displayUrl'],
  PREFETCH_REFUSED: [403, 'A prefetch does not create a session'],
  NOT_FOUND: [404, 'There is nothing here'],
  SESSION_NOT_FOUND: [404, 'No such session'],
  KEY_NOT_FOUND: [404, 'No such key'],
  LOGIN_NOT_FOUND: [404, 'No such login'],
  NOTHING_TO_RECOVER: [404, 'There is no session to bring back: the token is unknown, used or expired, or the session is not yours'],
  FILE_NOT_FOUND: [404, 'There is no such file'],
  VERSION_NOT_FOUND: [404, 'There is no such version, or its files are not kept any more: GET /sessions/ID/versions lists those that are'],
  ARCHIVE_NOT_FOUND: [404, 'No such archive'],
  SHARE_NOT_FOUND: [404, 'This link does not exist or has expired: ask for a new one'],
  STATE_NOT_FOUND: [404, 'The state has no value of this name'],
  STATE_VERSION_NOT_FOUND: [404, 'This version of the state is not kept: GET /sessions/ID/state/versions lists those that are'],
  ACTIVITY_NOT_FOUND: [404, 'There is no such activity: GET /sessions/ID/activities lists them'],
  METHOD_NOT_ALLOWED: [405, 'There is something here, but not for this method: the header Allow names the right ones'],
  REQUEST_TIMEOUT: [408, 'The request arrived too slowly'],
  TRACKING_OFF: [409, 'This server counts nothing: EX10_TRACKING=0'],
  SESSION_NOT_READY: [409, 'The session is not ready: wait for the "complete" line', 1],
  RECOVERING: [409, 'Another request is bringing this session back'],
  USER_HAS_SESSIONS: [409, 'The user has sessions, or waits for one: end them first'],
  BUILD_FAILED: [409, 'The extension could not be built for the export: see its problems'],
  NOTHING_TO_EXPORT: [409, 'There is no extension to export: it has no manifest.json'],
  LABEL_TAKEN: [409, 'Another version of the session has this label: take it from that one first, or choose another'],
  ACTIVITY_UNDER_WAY: [409, 'An activity is under way: commit or discard it first'],
  ACTIVITY_OVER: [409, 'The activity has been committed or discarded already'],
  PRECONDITION_FAILED: [412, 'The file does not meet the condition of If-Match or If-None-Match: read it again'],
  ARCHIVE_TOO_LARGE: [413, 'An archive has at most 20,000 entries, which unpack to 200 MB, 100 MiB a file, and 100 times its own size'],
  EXPORT_TOO_LARGE: [413, 'An export has at most 20,000 files of 200 MB'],
  FILE_TOO_LARGE: [413, 'A file has at most 100 MiB'],
  STATE_TOO_LARGE: [413, 'A value of the state has at most 256 KiB, and all of them 4 MiB (those of temporary_data 1 MiB) and 1,000 names: delete some'],
  TOO_MANY_FILES: [413, 'The session\'s folder holds more files than the server can list: remove some'],
  TOO_LARGE: [413, 'Too large: a file may have 5 MiB and a request 20 MiB'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The body has a content-type that cannot be used here: send application/json'],
  UNSUPPORTED_ENCODING: [415, 'The server decodes no bodies: send the body as it is, without content-encoding'],
  UNKNOWN_HOST: [421, 'This server does not answer to that host name: set EX10_PUBLIC_URL'],
  KEY_REUSED: [422, 'This Idempotency-Key belongs to a request with another body: use a new key'],
  TOO_MANY_VIEWERS: [429, 'The session has reached its limit of viewers: close one, or try again later', 10],
  TOO_MANY_SHARES: [429, 'The session has reached its limit of links: revoke one', 10],
  TOO_MANY_TRANSFERS: [429, 'The session has reached its limit of file transfers at a time: wait for one to end', 1],
  TOO_MANY_STREAMS: [429, 'The session has reached its limit of event readers: close one, or try again later', 10],
  TOO_MANY_USER_SESSIONS: [429, 'You have reached your limit of sessions: end one, or try again later', 10],
  TOO_MANY_REQUESTS: [429, 'Too many requests: wait for the seconds in Retry-After', 10],
  HEADERS_TOO_LARGE: [431, 'The headers are too large: 16 KiB in all'],
  INTERNAL: [500, 'The server failed: its log has the cause, under the x-request-id of this answer'],
  SEAL_BROKEN: [500, 'What was kept here cannot be opened: it was changed, or its key is not there. Ask the operator, who finds in docs/encryption.md what to do'],
  STEP_FAILED: [500, 'The session could not be made: the server\'s log has the cause, under the x-request-id of this answer'],
  NOT_RESTARTED: [502, 'The session\'s programs do not all answer: see its events and logs, and try again'],
  BAD_GATEWAY: [502, 'The session\'s display does not answer'],
  TOO_MANY_SESSIONS: [503, 'The server has reached its limit of sessions: try again later', 10],
  QUEUE_FULL: [503, 'The queue of creations is full: try again later', 10],
  QUEUE_TIMEOUT: [503, 'No place became free in time: try again later'],
  PROVIDER_UNAVAILABLE: [503, 'The login provider does not answer: try again later, or use an API key'],
  NO_SLOT: [503, 'No slot is free: try again later', 10],
  FIREWALL: [503, 'The firewall rules are not in force, so no session may start: ask the operator'],
  BUSY: [503, 'The session is still writing earlier pushes: try again', 1],
  REGISTRY: [503, 'The registry cannot be written: try again, or ask the operator', 10],
  STORE_UNAVAILABLE: [503, 'The store does not answer: try again later, or ask the operator', 5],
  OVERLOADED: [503, 'The server has run out of processes, files or memory: try again later', 10],
  DRAINING: [503, 'The server is being drained and takes no new sessions: use another server, or try again later', 60],
  SHUTTING_DOWN: [503, 'The server is shutting down'],
  CLIENT_GONE: [499, 'The client went away before the session was ready'],
  DISK_FULL: [507, 'The session\'s disk is full'],
  WRITER_FAILED: [502, 'The session could not write the files: try again'],
  NO_DISK: [507, 'The server\'s disk could not hold another session: try again later', 10],
  STEP_TIMEOUT: [504, 'A step took too long, so the creation was undone']
} as const satisfies Record<string, Row>

type Row = readonly [statusCode: number, message: string, retryAfterSeconds?: number]

export type ErrorName = keyof typeof table

/** The names that start with PATH_: a session's file writer may answer with these. */
export type PathErrorName = Extract<ErrorName, `PATH_${string}`>

/** The codes of the errors with this HTTP status, and whether trying again helps with one of them. */
export function codesOf (statusCode: number): { codes: string[], mayRetry: boolean } {
  const rows = Object.entries<Row>(table).filter(([, [status]]) => status === statusCode)
  return { codes: rows.map(([name]) => `EX10_${name}`), mayRetry: rows.some(([, row]) => row[2] !== undefined) }
}

export interface ErrorContext {
  /** Replaces the table's message. */
  message?: string
  /** Replaces the table's status, for an error of the framework that has no row of its own. */
  statusCode?: number
  details?: Record<string, unknown>
  cause?: unknown
  /** Sent as the `Retry-After` header, in seconds. Replaces the table's. */
  retryAfterSeconds?: number
}

/** An error that a caller can act on. The error handler and the progress stream show it unchanged. */
export class Ex10Error extends Error {
  override readonly name = 'Ex10Error'
  readonly code: string
  readonly statusCode: number
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined

  constructor (name: ErrorName, context: ErrorContext = {}) {
    const [statusCode, message, retryAfterSeconds]: Row = table[name]
    super(context.message ?? message, { cause: context.cause })
    this.code = `EX10_${name}`
    this.statusCode = context.statusCode ?? statusCode
    this.details = context.details
    this.retryAfterSeconds = context.retryAfterSeconds ?? retryAfterSeconds
  }
}

/** The server cannot start: the message is the one line that the operator reads. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** Returns the error called `name` in the table above, to be thrown. */
export function failure (name: ErrorName, context?: ErrorContext): Ex10Error {
  return new Ex10Error(name, context)
}

/** Throws the error called `name`, where an expression is wanted. */
export function raise (name: ErrorName): never {
  throw failure(name)
}

/** The error that a creation's last line shows by its code and message. */
export function failureOf ({ code, message }: Pick<Ex10Error, 'code' | 'message'>): Ex10Error {
  const name = code.replace(/^EX10_/, '')
  return failure(Object.hasOwn(table, name) ? name as ErrorName : 'INTERNAL', { message })
}

/** The reply for the caller: an ErrorReply of the schemas. */
export function toReply ({ code, message, statusCode, details }: Ex10Error) {
  return { success: false as const, code, message, statusCode, ...(details && { details }) }
}

/** Errors that mean a lack of the machine, by Node's codes and SQLite's numbers: sqlite.org/rescode.html. */
const LACKS: Record<string, ErrorName> = {
  ENOSPC: 'NO_DISK', EDQUOT: 'NO_DISK', 13: 'NO_DISK', 5: 'REGISTRY', EMFILE: 'OVERLOADED', ENFILE: 'OVERLOADED', EAGAIN: 'OVERLOADED', ENOMEM: 'OVERLOADED'
}

/** The error that a caller sees for `error`: an Ex10Error among its causes, else the lack of the machine behind it, else `otherwise`. */
export function shownAs (error: unknown, otherwise: ErrorName): Ex10Error {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Ex10Error) return cause
    const { code, errcode } = cause as { code?: string, errcode?: number }
    const lack = LACKS[errcode === undefined ? code ?? '' : errcode & 0xff] // the low byte of SQLite's extended codes is the primary code
    if (lack) return failure(lack, { cause: error })
  }
  return failure(otherwise, { cause: error })
}

/** Tells whether `name`, from an untrusted answer, is a path error of the table. */

export function isPathError (name: string): name is PathErrorName {
  return name.startsWith('PATH_') && Object.hasOwn(table, name)
}
