import { readdirSync, readFileSync, statSync } from 'node:fs'

/** What the processes of these uids take, MiB by program: PSS, so that what they share is counted once. */
export function memoryOf (uids: number[]): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      if (!uids.includes(statSync(`/proc/${pid}`).uid)) continue
      const name = programOf(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
      const kib = Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
      sizes.set(name, (sizes.get(name) ?? 0) + kib / 1024)
    } catch {
      // it has ended
    }
  }
  return sizes
}

function programOf (command: string): string {
  const known = [['Chromium', /chromium/], ['Xpra', /xpra start/], ['Xvfb', /^\S*Xvfb /], ['dev server', /run\/ex10\/template/], ['file writer', /file writer/]] as const
  return known.find(([, pattern]) => pattern.test(command))?.[0] ?? 'other'
}
