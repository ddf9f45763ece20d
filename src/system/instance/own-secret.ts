import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { newToken } from '#domain/access/token.ts'

/** The server's own secret in `file`, which only root can read. Makes the file at the first start. */
export function ownSecret (file: string): string {
  if (!existsSync(file)) {
    const made = openSync(`${file}.new`, 'w', 0o600)
    writeSync(made, newToken())
    fsyncSync(made)
    closeSync(made)
    renameSync(`${file}.new`, file)
  }
  return readFileSync(file, 'utf8')
}
