import { mkdtempSync, chmodSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { lightDisplay } from './light-display.ts'
import { TEST_DATA } from '#support/servers/server.ts'

/** A light display whose dev server also prints, as fast as it is read, what `sh` is told to by `flood`. */
export function floodingDisplay (t: Test, flood: string): Record<string, string> {
  const { EX10_SESSION_PATH: light } = lightDisplay()
  const folder = mkdtempSync(`${TEST_DATA}/flood-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/python3`, `#!/bin/sh\n(${flood}) &\nexec ${light}/python3 "$@"\n`)
  for (const path of [folder, `${folder}/python3`]) chmodSync(path, 0o755)
  return { EX10_SESSION_PATH: `${folder},${light}` }
}
