import { readFile } from 'node:fs/promises'
import { SourceMap } from 'node:module'
import { join, posix } from 'node:path'

const MAP = /\n\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]+)\s*$/

/** The place in the sources for a place in a built file, lines and columns counted from 1; undefined when it was not built. */
export async function originOf (sourceDir, extensionDir, { file, line, column }) {
  const name = posix.join('/', file)
  const text = await readFile(join(extensionDir, name), 'utf8').catch(() => '')
  const [, map] = MAP.exec(text) ?? []
  if (!map) return
  const { originalSource, originalLine, originalColumn } = new SourceMap(JSON.parse(Buffer.from(map, 'base64'))).findEntry(line - 1, column - 1)
  if (originalSource === undefined) return
  const source = posix.join(posix.dirname(name), originalSource).slice(1)
  const isSource = await readFile(join(sourceDir, source)).then(() => true, () => false) // a package is not a source
  if (isSource) return { file: source, line: originalLine + 1, column: originalColumn + 1 }
}
