import { rankOf, type Version } from '#domain/code/version.ts'
import type { VersionView } from '#schemas/version.ts'

/** A version as people get it. */
export function viewOf ({ tree, ...version }: Version): VersionView {
  return { ...version, kept: tree !== undefined, point: rankOf(version) > 0 ? 'major' : 'minor' } as VersionView
}
