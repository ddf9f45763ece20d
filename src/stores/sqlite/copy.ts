import { existsSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import type { Copies } from '#stores/backend.ts'

export const sqliteCopies: Copies = { copy, whyUnsound }

async function copy (from: string, to: string): Promise<boolean> {
  if (!existsSync(from)) return false
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout = 5000')
    await backup(database, to, { rate: 2 ** 31 - 1 }) // all pages in one step: nothing is written in between
  } finally {
    database.close()
  }
  const copied = new DatabaseSync(to)
  copied.exec('PRAGMA journal_mode = DELETE') // one file, without -wal and -shm
  copied.close()
  return true
}

function whyUnsound (file: string): string | undefined {
  let database
  try {
    database = new DatabaseSync(file, { readOnly: true })
    const found = database.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
    return found === 'ok' ? undefined : String(found)
  } catch (error) {
    return (error as Error).message
  } finally {
    database?.close()
  }
}
