import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'

/** A copy of /etc, without what somebody who changes accounts now keeps there for a moment; to be mounted over it in a namespace. */
export function copyEtc (t: Test): string {
  const etc = mkdtempSync(`${tmpdir()}/ex10-etc-`)
  t.teardown(() => rmSync(etc, { recursive: true, force: true }))
  const isKept = (path: string) => !/^\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)[-+.]/.test(path)
  cpSync('/etc', etc, { recursive: true, verbatimSymlinks: true, filter: isKept })
  return etc
}
