import { rankOf, type Activity, type Version } from '#domain/code/version.ts'
import { failure } from '#errors.ts'
import type { ActivityView, VersionView } from '#schemas/version.ts'

/** A version as people get it. */
export function viewOf ({ tree, ...version }: Version): VersionView {
  return { ...version, kept: tree !== undefined, point: rankOf(version) > 0 ? 'major' : 'minor' } as VersionView
}

/** The tree of a version's files. @throws {Ex10Error} EX10_VERSION_NOT_FOUND when they could not be kept */
export function treeOf ({ tree }: Version): string {
  if (tree === undefined) throw failure('VERSION_NOT_FOUND')
  return tree
}

/** An activity as people get it. */
export function activityViewOf ({ tree, ...activity }: Activity): ActivityView {
  return activity as ActivityView
}
