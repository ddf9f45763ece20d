import { Turns } from '#domain/concurrency/turns.ts'
import type { RecordStore } from '#domain/storage/record-store.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import type { Backend } from '#stores/backend.ts'
import { auditLogIn } from './audit-log.ts'
import { keysIn } from './keys.ts'
import { loginsIn } from './logins.ts'
import { sharesIn } from './shares.ts'
import { statisticsIn } from './statistics.ts'

/** Keeps every store as records of one store, which `open` opens. It is closed with the last of them. */
export function storesOver (open: () => Promise<RecordStore>): Backend {
  let opened: Promise<RecordStore> | undefined
  let users = 0

  async function leave (): Promise<void> {
    if (--users > 0) return
    const store = opened
    opened = undefined
    await (await store)?.close()
  }

  async function enter (): Promise<RecordStore> {
    users++
    opened ??= open()
    try {
      return { ...await opened, close: leave }
    } catch (error) {
      if (--users === 0) opened = undefined
      throw error
    }
  }

  async function opening<Store> (storeIn: (records: Records, turns: Turns) => Store): Promise<Store & Pick<RecordStore, 'close'>> {
    const store = await enter()
    const turns = new Turns()
    return {
      ...storeIn(new Records(store, UNSEALED), turns),
      async close () {
        await turns.over()
        await store.close()
      }
    }
  }

  return {
    openKeys: onUnnoted => opening((records, turns) => keysIn(records, turns, onUnnoted)),
    openLogins: () => opening(loginsIn),
    openShares: () => opening(sharesIn),
    openAuditLog: () => opening(auditLogIn),
    openStatistics: () => opening(statisticsIn),
    openRecords: enter
  }
}
