import { readFile } from 'node:fs/promises'
import type { Account } from '../domain/session.ts'
import { CommandFailed, run } from './run.ts'

/** The group of all session accounts. */
export const GROUP = 'ex10'
export const ACCOUNT_PREFIX = 'ex10_user_'

/** useradd and userdel wait up to 15 s for the lock on the account files. */
const LOCK_MS = 20_000

/** The gid of the group `ex10`, which is made if it is missing. */
export async function ensureGroup (): Promise<number> {
  const gid = await readGid()
  if (gid !== undefined) return gid
  try {
    await run(['groupadd', '--system', GROUP])
  } catch (error) {
    if (!(error instanceof CommandFailed && error.exitCode === 9)) throw error // 9: made by someone else meanwhile
  }
  const made = await readGid()
  if (made === undefined) throw new Error(`groupadd made no group ${GROUP}`)
  return made
}

async function readGid (): Promise<number | undefined> {
  const line = (await readFile('/etc/group', 'utf8')).split('\n').find(line => line.startsWith(`${GROUP}:`))
  return line === undefined ? undefined : Number(line.split(':')[2])
}

/** All accounts of the machine, by name. */
export async function readAccounts (): Promise<Map<string, { uid: number, home: string }>> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').filter(Boolean)
  return new Map(lines.map(line => {
    const [name = '', , uid, , , home = ''] = line.split(':')
    return [name, { uid: Number(uid), home }]
  }))
}

/** The uids of all accounts. */
export async function accountUids (): Promise<Set<number>> {
  return new Set([...(await readAccounts()).values()].map(account => account.uid))
}

/**
 * Makes the account: locked password, nologin, no home yet, and no subuids, with which a session could step out of
 * the firewall's uid match (measured: an account with subuids reached ports that its own uid was refused).
 */
export async function createAccount (account: Account, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted() // and not later: killed half-way, useradd leaves locks and half an account behind
  await run(['useradd', '--no-log-init', '-M', '-N', '-g', String(account.gid), '-u', String(account.uid), '-d', account.home,
    '-s', '/usr/sbin/nologin', '-K', 'SUB_UID_COUNT=0', '-K', 'SUB_GID_COUNT=0', '--', account.name], { timeoutMs: LOCK_MS })
}

/** Removes the account and verifies that it is gone. One that is not there, or not with this uid, is left alone. */
export async function removeAccount (account: Account): Promise<void> {
  if ((await readAccounts()).get(account.name)?.uid !== account.uid) return
  await run(['userdel', '--', account.name], { timeoutMs: LOCK_MS })
  if ((await readAccounts()).has(account.name)) throw new Error(`userdel left the account ${account.name}`)
}
