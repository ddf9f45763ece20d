import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { TEST_DATA } from '#support/servers/server.ts'

/** As `lightDisplay`, but every build takes its time. */
export function slowBuilds (t: Test, seconds: number): Record<string, string> {
  const { EX10_SESSION_PATH = '' } = lightDisplay()
  const folder = mkdtempSync(`${TEST_DATA}/slow-builds-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  cpSync(EX10_SESSION_PATH, folder, { recursive: true })
  const source = readFileSync(`${folder}/python3`, 'utf8')
  writeFileSync(`${folder}/python3`, source.replace('my ($path) = @_;', `$& sleep ${seconds} if $path =~ m{after=[1-9].*wait=0$};`))
  chmodSync(folder, 0o755)
  return { EX10_SESSION_PATH: folder }
}
