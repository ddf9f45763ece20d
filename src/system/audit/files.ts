import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { ifGone } from '#system/kernel/gone.ts'
import { quickly } from '#system/kernel/quickly.ts'

/** The text of a file, the target of a link, the owner of a path: undefined when it is missing. The entries of a folder: none when it is missing. */
export const textOf = (path: string): Promise<string | undefined> => quickly(() => readFileSync(path, 'utf8')).catch(ifGoneOrHidden)
export const targetOf = (path: string): Promise<string | undefined> => quickly(() => readlinkSync(path)).catch(ifGoneOrHidden)
export const ownerOf = (path: string): Promise<number | undefined> => quickly(() => statSync(path).uid).catch(ifGoneOrHidden)
export const entriesOf = async (path: string): Promise<string[]> => await readdir(path).catch(ifGoneOrHidden) ?? []

/** Entries of /proc and /sys also give these errors, when their process or device ends during the read. In a container, the init may have more rights than root here. */
const ifGoneOrHidden = ifGone('ENOTDIR', 'EINVAL', 'EACCES', 'ENXIO')

/** The mount points of a mountinfo file: proc_pid_mountinfo(5). */
export function mountPoints (mountinfo: string): string[] {
  return mountinfo.split('\n').filter(Boolean).map(line => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
}
