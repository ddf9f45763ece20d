import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { lightDisplay } from './light-display.ts'
import { TEST_DATA } from '#support/servers/server.ts'

/** Lets creations go so far, and no further until they may. */
export interface Hold { hold (): void, release (): void }

/** As `lightDisplay`, but its browsers start only when the test lets them: creations that reach the step `browser` stay there. */
export function heldBrowser (t: Test): Hold & { settings: Record<string, string> } {
  const { EX10_SESSION_PATH: light } = lightDisplay()
  const folder = mkdtempSync(`${TEST_DATA}/held-browser-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/chromium`, `#!/bin/sh\nwhile [ -e ${folder}/held ]; do sleep 0.05; done\nexec ${light}/chromium "$@"\n`)
  for (const path of [folder, `${folder}/chromium`]) chmodSync(path, 0o755)
  return {
    settings: { EX10_SESSION_PATH: `${folder},${light}` },
    hold: () => writeFileSync(`${folder}/held`, ''),
    release: () => rmSync(`${folder}/held`)
  }
}
