import { readFileSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { quickly } from '../quickly.ts'

/** What a file, a link or a folder holds; undefined or nothing when there is none, or none any more. */
export const textOf = (path: string): Promise<string | undefined> => ifThere(quickly(() => readFileSync(path, 'utf8')))
export const targetOf = (path: string): Promise<string | undefined> => ifThere(quickly(() => readlinkSync(path)))
export const entriesOf = async (path: string): Promise<string[]> => await ifThere(readdir(path)) ?? []

/** What an entry of /proc or /sys says when its process or device ends meanwhile; in a container, the init may have more rights than root here. */
const GONE = ['ENOENT', 'ESRCH', 'ENOTDIR', 'EINVAL', 'EACCES', 'ENODEV', 'ENXIO']

async function ifThere<T> (reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** The mount points of a mountinfo file: proc_pid_mountinfo(5). */
export function mountPoints (mountinfo: string): string[] {
  return mountinfo.split('\n').filter(Boolean).map(line => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
}
