import { failure, type ErrorName } from '#errors.ts'

const PATH_MAX = 4096
const NAME_MAX = 255

/**
 * Checks a file path from a person or program: it must be relative, with forward slashes, and must not lead upwards. One
 * leading `/` or `./` stands for the extension's own folder, as in a manifest. Returns the path without it and without
 * repeated slashes. The session's own file writer checks links, folders and devices, which only the file system knows.
 * @throws {Ex10Error} EX10_PATH_…, the name of the fault
 */
export function checkFilePath (path: string): string {
  const inside = /^\.?\/$/.test(path) ? path : path.replace(/^\.?\//, '')
  const wrong = problem(inside)
  if (wrong) throw failure(wrong, { details: { filePath: path.slice(0, 200) } })
  return inside.split('/').filter(Boolean).join('/')
}

/** All readings of a checked path. Some program may take two paths with a common reading for one file. */
export function readingsOf (path: string): Set<string> {
  return new Set([...readings(path)].map(reading => reading.normalize('NFKC')))
}

function problem (path: string): ErrorName | undefined {
  if (path.trim() === '') return 'PATH_EMPTY'
  if (!path.isWellFormed()) return 'PATH_NOT_TEXT'
  if (path.includes('\0')) return 'PATH_NUL'
  if (Buffer.byteLength(path) > PATH_MAX) return 'PATH_TOO_LONG'
  for (const reading of readings(path)) {
    if (reading.includes('\0')) return 'PATH_NUL'
    if (reading.includes('\\')) return 'PATH_BACKSLASH'
    if (/^(\/|[a-z]:)/i.test(reading)) return 'PATH_ABSOLUTE'
    const parts = reading.split('/')
    if (parts.some(part => part === '.' || part === '..')) return 'PATH_TRAVERSAL'
    if (parts.some(part => Buffer.byteLength(part) > NAME_MAX)) return 'PATH_TOO_LONG'
  }
  if (path.endsWith('/')) return 'PATH_IS_DIRECTORY'
}

/**
 * The path itself, and all forms in which a later program might read it: percent-decoded (up to five times), and in
 * Unicode's compatibility form, where full-width dots and slashes become plain ones.
 */
function readings (path: string): Set<string> {
  const all = new Set([path, path.normalize('NFKC')])
  let decoded = path
  for (let round = 0; round < 5; round++) {
    const next = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
    if (next === decoded) break
    decoded = next
    // overlong UTF-8: c0 ae is a dot, c0 af a slash, to a careless decoder
    all.add(decoded).add(decoded.replace(/[\xc0\xc1]([\x80-\xbf])/g, (pair, low) => String.fromCharCode(((pair.charCodeAt(0) & 3) << 6) | (low.charCodeAt(0) & 0x3f))))
  }
  return all
}
