import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DataFolder } from './data-folder.ts'

/**
 * Puts the files of a backup that was unpacked completely in their places. Safe to repeat, so that a restoration that was cut off
 * goes on at the next start.
 */
export function finishRestore ({ path, restored }: DataFolder): void {
  if (!existsSync(restored)) return
  for (const name of readdirSync(restored)) {
    // they belong to the replaced database
    for (const suffix of ['-wal', '-shm', '-journal']) rmSync(join(path, name + suffix), { force: true })
    if (statSync(join(restored, name)).isDirectory()) rmSync(join(path, name), { recursive: true, force: true })
    renameSync(join(restored, name), join(path, name))
  }
  flush(path)
  rmdirSync(restored)
}

/** Waits until the file or folder is on the disk. */
export function flush (path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
