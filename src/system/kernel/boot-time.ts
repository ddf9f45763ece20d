import { readFileSync } from 'node:fs'
import type { Moment } from '#domain/live/clocks.ts'

/** The present moment: time of day and uptime. proc_uptime(5) counts from the boot, also while the machine sleeps. */
export function momentNow (): Moment {
  const [uptime = ''] = readFileSync('/proc/uptime', 'utf8').split(' ')
  return { wall: new Date(), bootId: bootId(), uptimeMs: Math.round(Number(uptime) * 1000) }
}

/** The id of the machine's boot; empty where the kernel does not give one. */
function bootId (): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
