import { readdir, readFile, lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { accountUids } from './accounts.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { sysvObjects } from '#system/kernel/sysv-ipc.ts'

/** The uids of accounts, processes and homes: the traces of sessions that need no record. */
export async function uidsInUse (homes: string): Promise<number[]> {
  return [...await accountUids(), ...await owners('/proc'), ...await owners(homes)]
}

/**
 * Tells whether a uid owns nothing on the machine that could outlive a session: account, process, home, System V IPC, or
 * a file in a folder that every user can write to. Only then is a uid used again.
 */
export async function ownsNothing (uid: number, homes: string): Promise<boolean> {
  const found = await Promise.all([uidsInUse(homes), ipcOwners(), ...['/tmp', '/var/tmp', '/dev/shm', '/var/mail'].map(owners)])
  return !found.flat().includes(uid)
}

/** Owners of the entries of a folder. For /proc, the uids in each process's status, because its entry may belong to root. */
async function owners (folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(ifGone()) ?? []
  const found = await Promise.all(names.map(async name => await ownersOf(folder, name).catch(ifGone()) ?? []))
  return found.flat()
}

async function ownersOf (folder: string, name: string): Promise<number[]> {
  if (folder !== '/proc') return [(await lstat(join(folder, name))).uid]
  const uids = /^\d+$/.test(name) ? /^Uid:\t(.*)$/m.exec(await readFile(join(folder, name, 'status'), 'utf8'))?.[1] : undefined
  return uids?.split('\t').map(Number) ?? []
}

async function ipcOwners (): Promise<number[]> {
  return (await sysvObjects()).flatMap(({ uids }) => uids)
}
