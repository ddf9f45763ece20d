import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Account } from '#domain/session.ts'
import { commandLines, until } from '#system/kernel/processes.ts'
import { CommandFailed, run } from '#system/kernel/run.ts'

/** The group of all session accounts. */
export const GROUP = 'ex10'
export const ACCOUNT_PREFIX = 'ex10_user_'

/** useradd and userdel wait up to 15 s for the lock on the account files. */
const LOCK_MS = 20_000

/** Returns the gid of the group `ex10`. Makes the group if it is missing. */
export async function ensureGroup (): Promise<number> {
  const gid = await readGid()
  if (gid !== undefined) return gid
  try {
    await run(['groupadd', '--system', GROUP])
  } catch (error) {
    if (!(error instanceof CommandFailed && error.exitCode === 9)) throw error // 9: another process has made it in the meantime
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

/** The files that have lines of accounts. */
export const ACCOUNT_FILES = ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'] as const

/** The account files that have a line of this name. */
async function linesOf (name: string): Promise<string[]> {
  const found = await Promise.all(ACCOUNT_FILES.map(async file => {
    const lines = (await readFile(`/etc/${file}`, 'utf8')).split('\n')
    return lines.some(line => line.startsWith(`${name}:`)) ? [file] : []
  }))
  return found.flat()
}

/**
 * Makes the account: locked password, nologin, no home yet, and no subuids. With subuids, a session could evade the
 * firewall's uid match (measured: an account with subuids reached ports that its own uid was refused).
 */
export async function createAccount (account: Account, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted() // not later: a useradd killed half-way leaves locks and half an account behind
  await change(['useradd', '--no-log-init', '-M', '-N', '-g', String(account.gid), '-u', String(account.uid), '-d', account.home,
    '-s', '/usr/sbin/nologin', '-K', 'SUB_UID_COUNT=0', '-K', 'SUB_GID_COUNT=0', '--', account.name], signal)
}

/**
 * Removes the account, also a half-made one, and verifies that no line of it is left. Does nothing if there is no such
 * account, or if its uid is another.
 */
export async function removeAccount (account: Account): Promise<void> {
  const signal = AbortSignal.timeout(LOCK_MS)
  // a useradd outlives the kill of the server that ran it; a userdel does, too
  if (!(await readAccounts()).has(account.name)) await until(async () => !await isBeingChanged(account.name), signal, 20)
  const known = (await readAccounts()).get(account.name)
  if (known && known.uid !== account.uid) return
  const lines = await linesOf(account.name)
  if (lines.length === 0) return
  // userdel finds only accounts in passwd: useradd first adds that line, and keeps the lines of the other files
  if (!known) await createAccount(account, signal)
  // --force: its processes have been seen dead, and userdel would look at each of the machine's again
  await change(['userdel', '--force', '--', account.name], signal).catch(error => {
    if (!(error instanceof CommandFailed && error.exitCode === 6)) throw error // 6: it has been removed in the meantime
  })
  // no useradd of ours makes a group, so userdel leaves one of that name alone
  if (lines.includes('group') || lines.includes('gshadow')) {
    await change(['groupadd', '--force', '--', account.name], signal)
    await change(['groupdel', '--', account.name], signal)
  }
  const left = await linesOf(account.name)
  if (left.length > 0) throw new Error(`lines of the account ${account.name} are left in ${left.join(', ')}`)
}

/** Exit codes of useradd, userdel, groupadd and groupdel for a held lock: of passwd, group, subuid, subgid. */
const LOCKED = [1, 10, 16, 18]

/** Changes the account files. When locks of dead processes are in the way, it removes them and tries once more. */
async function change (argv: [string, ...string[]], signal: AbortSignal): Promise<void> {
  try {
    await run(argv, { timeoutMs: LOCK_MS })
  } catch (error) {
    if (!(error instanceof CommandFailed && LOCKED.includes(error.exitCode ?? 0)) || signal.aborted) throw error
    await removeStaleLocks(signal)
    await run(argv, { timeoutMs: LOCK_MS })
  }
}

const LOCKS = fileURLToPath(new URL('./account-locks.py', import.meta.url))

/** The lock files and temporaries in /etc that a killed useradd or the like left, and that no live process holds. */
export async function staleLocks (): Promise<string[]> {
  const isThere = (await readdir('/etc')).some(name => /^(passwd|shadow|group|gshadow|subuid|subgid)(\.lock|\.\d+|\+)$/.test(name))
  return isThere ? (await run(['python3', '-I', '-S', LOCKS])).split('\n').filter(Boolean) : []
}

/** Removes the stale locks, after all processes that work on the account files have finished. */
export async function removeStaleLocks (signal: AbortSignal): Promise<void> {
  await run(['python3', '-I', '-S', LOCKS, '--remove', String(LOCK_MS / 1000)], { timeoutMs: LOCK_MS + 1000, signal })
}

/** Tells whether a useradd, userdel or the like works on this account. */
async function isBeingChanged (name: string): Promise<boolean> {
  const commands = await commandLines()
  return commands.some(argv => /(^|\/)(user|group)(add|del|mod)$/.test(argv[0] ?? '') && argv.includes(name))
}
