import { readFileSync } from 'node:fs'
import type { Moment } from '#domain/live/clocks.ts'

/** Now, by the clock on the wall and by the kernel's: proc_uptime(5) counts from the boot, also while the machine sleeps. */
export function momentNow (): Moment {
  const [uptime = ''] = readFileSync('/proc/uptime', 'utf8').split(' ')
  return { wall: new Date(), bootId: bootId(), uptimeMs: Math.round(Number(uptime) * 1000) }
}

/** Which boot of the machine it is; empty where that is not told. */
function bootId (): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
