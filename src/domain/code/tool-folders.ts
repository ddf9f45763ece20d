import type { TemplateKind } from '#domain/session.ts'

/** Folders among a person's sources that tools fill: who sends all files means none of these, unless one in them is named. */
export const TOOL_FOLDERS: Record<TemplateKind, readonly string[]> = {
  plain: ['.git', '_metadata'], // the latter is Chromium's
  bundled: ['.git'],
  project: ['.*', 'node_modules', 'dist', 'build', 'out', 'output']
}

/** Those of them that are not listed. */
export const UNLISTED_FOLDERS: Record<TemplateKind, readonly string[]> = {
  plain: TOOL_FOLDERS.plain,
  bundled: TOOL_FOLDERS.bundled,
  project: ['.git', 'node_modules']
}
