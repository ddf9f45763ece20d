import { readFileSync } from 'node:fs'
import { quickly } from './quickly.ts'

/** The kernel's errors for a missing file, process or device. */
const GONE = ['ENOENT', 'ESRCH', 'ENODEV']

/** For `catch`: returns undefined when the thing is missing, and rethrows any other error. `also` are further codes that mean "missing" here. */
export function ifGone (...also: string[]): (error: unknown) => undefined {
  return error => {
    if (![...GONE, ...also].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** The text of a small file in memory (of /proc, say); undefined when there is none. */
export async function textOf (path: string): Promise<string | undefined> {
  return quickly(() => readFileSync(path, 'utf8')).catch(ifGone())
}

/** Like `textOf`, but synchronous, for reads that happen twice a second for every session. */
export function textNow (path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return ifGone()(error)
  }
}
