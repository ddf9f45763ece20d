import { failure } from '#errors.ts'
import { checkFilePath, readingsOf } from './file-path.ts'

/** The most bytes of an archive. It unpacks to 200 MB at most. */
export const ARCHIVE_BYTES = 210 * 1024 * 1024

/** Tells whether the first bytes are those of a zip, a tar.gz, or a CRX of version 3. */
export function looksLikeArchive (head: Buffer): boolean {
  const text = head.toString('latin1')
  return ['PK\x03\x04', 'PK\x05\x06', '\x1f\x8b', 'Cr24\x03\0\0\0'].some(beginning => text.startsWith(beginning))
}

/** An entry of an archive, by its name there. */
export interface ArchiveEntry { name: string, isFolder: boolean }

/** Files and folders that programs put beside the person's own files. */
const LEFT_OUT = /(?:^|\/)(?:__MACOSX\/|\.git\/|\.DS_Store$)/
/** The folder that a store puts into a CRX, and that Chromium makes for itself. */
const METADATA = /^_metadata\//
/** The files in the top folder of an extension or a project. */
const BEGINNINGS = ['manifest.json', 'package.json']

/**
 * The path in the extension for each entry; undefined for folders and for entries that are left out. People often pack a
 * folder as a whole: a folder around everything is removed from the paths, if the manifest.json or package.json is in it.
 * @throws {Ex10Error} EX10_PATH_…, also for two names that could be read as one; EX10_BAD_ARCHIVE when no file is left
 */
export function archivePaths (entries: ArchiveEntry[]): (string | undefined)[] {
  const paths = entries.map(pathOf)
  const files = paths.filter(path => path !== undefined)
  if (files.length === 0) throw failure('BAD_ARCHIVE')
  checkDistinct(files)
  const wrapper = wrapperOf(files)
  return paths.map(path => path?.slice(wrapper.length)).map(path => path && METADATA.test(path) ? undefined : path)
}

function pathOf ({ name, isFolder }: ArchiveEntry): string | undefined {
  if (name.startsWith('/')) throw failure('PATH_ABSOLUTE', { details: { filePath: name.slice(0, 200) } })
  const own = isFolder ? name.replace(/\/$/, '') : name
  if (isFolder && (own === '' || own === '.')) return undefined
  const path = checkFilePath(own)
  return isFolder || LEFT_OUT.test(path) ? undefined : path
}

function checkDistinct (paths: string[]): void {
  const taken = new Set<string>()
  for (const path of paths) {
    const readings = readingsOf(path)
    if (!readings.isDisjointFrom(taken)) throw failure('PATH_REPEATED', { message: 'Two names in the archive are equal, or could be read as equal', details: { filePath: path.slice(0, 200) } })
    for (const reading of readings) taken.add(reading)
  }
}

/** The folder around everything, with its slash; empty when there is none. */
function wrapperOf (paths: string[]): string {
  const known = new Set(paths)
  if (BEGINNINGS.some(name => known.has(name))) return ''
  const wrapper = /^[^/]+\//.exec(paths[0] ?? '')?.[0] ?? ''
  const isAround = paths.every(path => path.startsWith(wrapper)) && BEGINNINGS.some(name => known.has(wrapper + name))
  return isAround ? wrapper : ''
}
