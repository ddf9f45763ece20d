import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { lightDisplay } from './light-display.ts'
import { TEST_DATA } from './server.ts'

/** As `lightDisplay`, but its displays start only when the test lets them: creations that reach the step `display` stay there. */
export function heldDisplay (t: Test): { settings: Record<string, string>, hold: () => void, release: () => void } {
  const { EX10_SESSION_PATH: light } = lightDisplay()
  const folder = mkdtempSync(`${TEST_DATA}/held-display-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/Xvfb`, `#!/bin/sh\nwhile [ -e ${folder}/held ]; do sleep 0.05; done\nexec ${light}/Xvfb "$@"\n`)
  for (const path of [folder, `${folder}/Xvfb`]) chmodSync(path, 0o755)
  return {
    settings: { EX10_SESSION_PATH: `${folder},${light}` },
    hold: () => writeFileSync(`${folder}/held`, ''),
    release: () => rmSync(`${folder}/held`)
  }
}
