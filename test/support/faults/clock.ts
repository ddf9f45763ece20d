import { chmodSync, existsSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { TEST_DATA } from '#support/servers/server.ts'

/** The wall clock of a server and of its sessions' dev servers. */
export interface Clock {
  /** Overrides for `testEnv`. */
  env: Record<string, string>
  /** Sets the clock this far from the true time. */
  set (hours: number): void
}

/** A clock that can be set, by libfaketime(1). Only the wall clock: the monotonic one goes on, as the kernel's does. */
export function wallClock (t: Test): Clock {
  const folder = mkdtempSync(`${TEST_DATA}/clock-`)
  t.teardown(() => {
    rmSync(folder, { recursive: true })
    // libfaketime's own, of processes that were killed
    for (const path of globSync('/dev/shm/*faketime_*')) if (!existsSync(`/proc/${path.split('_').at(-1)}`)) rmSync(path, { force: true })
  })
  const faked = {
    LD_PRELOAD: globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0] ?? '',
    FAKETIME_TIMESTAMP_FILE: `${folder}/offset`,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1'
  }
  const set = (hours: number) => {
    writeFileSync(`${folder}/offset.new`, `${hours < 0 ? '' : '+'}${hours * 3600}\n`, { mode: 0o644 })
    renameSync(`${folder}/offset.new`, `${folder}/offset`)
  }
  // sessions' programs have an environment of their own: theirs is set where their Python is looked for first
  writeFileSync(`${folder}/python3`, `#!/bin/sh\n${Object.entries(faked).map(([name, value]) => `export ${name}=${value}\n`).join('')}exec /usr/bin/python3 "$@"\n`, { mode: 0o755 })
  chmodSync(folder, 0o755)
  set(0)
  return { env: { ...faked, EX10_SESSION_PATH: folder }, set }
}
