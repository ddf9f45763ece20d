import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import type { Test } from 'tap'
import { copyEtc } from './etc.ts'
import { firstLine, start } from '#support/sandbox.ts'

/** Gives this mount namespace an /etc of its own: account files that nobody else waits for. Call it in a test's own mount namespace. */
export function mountOwnEtc (t: Test): void {
  const etc = copyEtc(t)
  chmodSync(etc, 0o755)
  execFileSync('mount', ['--bind', etc, '/etc'])
  t.teardown(() => { execFileSync('umount', ['/etc']) })
}

const HOLD = `
import fcntl, os, time
lock = os.open('/etc/.pwd.lock', os.O_WRONLY | os.O_CREAT, 0o600)
fcntl.lockf(lock, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(1000)`

/** Takes the lock that all tools for accounts take, lckpwdf(3); returns what gives it back. */
export async function lockAccounts (t: Test): Promise<() => void> {
  const holder = start(t, ['python3', '-I', '-S', '-c', HOLD])
  await firstLine(holder)
  return () => { holder.kill('SIGKILL') }
}
