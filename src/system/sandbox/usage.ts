import { join } from 'node:path'
import { textNow } from '#system/kernel/gone.ts'
import type { CgroupHost } from './cgroups.ts'

/** The memory that a session's group has now, its file cache included, and the CPU time that it has had. A host that does not count one of them leaves it out. */
export interface Usage { memoryBytes?: number, cpuSeconds?: number }

/** The most memory that a session's group has had at once, and its CPU time. A kernel that does not keep the peak gives the memory of now. */
export interface Totals { memoryPeakBytes?: number, cpuSeconds?: number }

/**
 * Reads the usage of one session's group; empty when the group is gone. Reads at once, without a wait: for hundreds
 * of sessions this is several times cheaper than asynchronous reads.
 */
export function readUsage ({ parents }: CgroupHost, name: string): Usage {
  const memory = parents.find(({ controllers }) => controllers.includes('memory'))
  const v2 = parents.find(parent => parent.v2) // counts CPU time without the controller, too
  const v1 = parents.find(parent => !parent.v2 && parent.controllers.includes('cpu'))
  const memoryBytes = memory && numberIn(join(memory.path, name, memory.v2 ? 'memory.current' : 'memory.usage_in_bytes'), /^(\d+)/)
  const microseconds = v2 && numberIn(join(v2.path, name, 'cpu.stat'), /^usage_usec (\d+)/m)
  const nanoseconds = microseconds === undefined && v1 ? numberIn(join(v1.path, name, 'cpuacct.usage'), /^(\d+)/) : undefined
  const cpuSeconds = microseconds !== undefined ? microseconds / 1e6 : nanoseconds !== undefined ? nanoseconds / 1e9 : undefined
  return { ...(memoryBytes !== undefined && { memoryBytes }), ...(cpuSeconds !== undefined && { cpuSeconds }) }
}

/** Reads the totals of one session's group, at once; empty when the group is gone. */
export function readTotals (host: CgroupHost, name: string): Totals {
  const { memoryBytes, cpuSeconds } = readUsage(host, name)
  const memory = host.parents.find(({ controllers }) => controllers.includes('memory'))
  const peak = memory && numberIn(join(memory.path, name, memory.v2 ? 'memory.peak' : 'memory.max_usage_in_bytes'), /^(\d+)/)
  const memoryPeakBytes = peak ?? memoryBytes
  return { ...(memoryPeakBytes !== undefined && { memoryPeakBytes }), ...(cpuSeconds !== undefined && { cpuSeconds }) }
}

function numberIn (file: string, pattern: RegExp): number | undefined {
  const [, digits] = pattern.exec(textNow(file) ?? '') ?? []
  return digits === undefined ? undefined : Number(digits)
}
