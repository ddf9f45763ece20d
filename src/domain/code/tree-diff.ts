import { isUtf8 } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createTwoFilesPatch } from 'diff'
import type { FileEntry } from './source-tree.ts'

/** A file in which two trees differ. */
export interface FileDiff {
  path: string
  change: 'added' | 'changed' | 'removed'
  before?: FileEntry
  after?: FileEntry
  /** A unified diff of a text file. */
  patch?: string
}

const TEXT_BYTES = 256 * 1024
const ALL_BYTES = 4 * 1024 * 1024
const EACH_MS = 50
const ALL_MS = 500

/** What leads from one tree to the other, in the order of the paths. */
export function diffTrees (from: Map<string, FileEntry>, to: Map<string, FileEntry>): FileDiff[] {
  const diffs: FileDiff[] = []
  for (const path of new Set([...from.keys(), ...to.keys()])) {
    const [before, after] = [from.get(path), to.get(path)]
    if (before?.hash === after?.hash) continue
    diffs.push({ path, change: !before ? 'added' : !after ? 'removed' : 'changed', ...(before && { before }), ...(after && { after }) })
  }
  return diffs.sort((a, b) => a.path < b.path ? -1 : 1)
}

/** Adds unified diffs to the files that are text and not too long, for as long as the time and the size of all together allow. `load` reads a content by its hash. */
export async function addPatches (diffs: FileDiff[], load: (hash: string) => Promise<Buffer>): Promise<void> {
  let [leftBytes, leftMs] = [ALL_BYTES, ALL_MS]
  for (const diff of diffs) {
    const { path, before, after } = diff
    const bytes = (before?.size ?? 0) + (after?.size ?? 0)
    if (bytes > Math.min(TEXT_BYTES, leftBytes) || leftMs <= 0) continue
    leftBytes -= bytes
    const [old, young] = await Promise.all([before, after].map(async entry => entry ? await load(entry.hash) : Buffer.alloc(0)))
    if (!old || !young || !isText(old) || !isText(young)) continue
    const startedAt = performance.now()
    const patch = createTwoFilesPatch(before ? `a/${path}` : '/dev/null', after ? `b/${path}` : '/dev/null', old.toString(), young.toString(), undefined, undefined, { timeout: Math.min(EACH_MS, leftMs) })
    leftMs -= performance.now() - startedAt
    if (patch !== undefined) diff.patch = patch
    await nextTurn() // other requests come first
  }
}

function isText (content: Buffer): boolean {
  return !content.includes(0) && isUtf8(content)
}
