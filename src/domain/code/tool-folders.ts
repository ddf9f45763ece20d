import type { TemplateKind } from '#domain/session.ts'

/** Folders among a person's sources that tools fill. A push of all files leaves such a folder alone, unless it names a file in it. */
export const TOOL_FOLDERS: Record<TemplateKind, readonly string[]> = {
  plain: ['.git', '_metadata'], // the latter is Chromium's
  bundled: ['.git'],
  project: ['.*', 'node_modules', 'dist', 'build', 'out', 'output']
}

/** The tool folders that are left out of lists of files. */
export const UNLISTED_FOLDERS: Record<TemplateKind, readonly string[]> = {
  plain: TOOL_FOLDERS.plain,
  bundled: TOOL_FOLDERS.bundled,
  project: ['.git', 'node_modules']
}

/** Whether the file is in a folder that matches one of these patterns: a name, or `.*` for any that begins with a dot. */
export function isInFolder (path: string, patterns: readonly string[]): boolean {
  const folders = path.split('/').slice(0, -1)
  return folders.some(name => patterns.some(pattern => pattern === '.*' ? name.startsWith('.') : name === pattern))
}
