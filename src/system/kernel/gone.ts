import { readFileSync } from 'node:fs'
import { quickly } from './quickly.ts'

/** What the kernel says of a file, a process or a device that is not there, or not any more. */
const GONE = ['ENOENT', 'ESRCH', 'ENODEV']

/** For `catch`: makes undefined of what is not there, and throws any other error on. `also` are codes that mean the same here. */
export function ifGone (...also: string[]): (error: unknown) => undefined {
  return error => {
    if (![...GONE, ...also].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** The text of a small file that waits for no disk; undefined when there is none. */
export async function textOf (path: string): Promise<string | undefined> {
  return quickly(() => readFileSync(path, 'utf8')).catch(ifGone())
}

/** The same without a promise, for what is asked for every session twice a second. */
export function textNow (path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return ifGone()(error)
  }
}
