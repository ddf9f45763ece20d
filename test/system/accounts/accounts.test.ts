import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ACCOUNT_FILES } from '#system/accounts/accounts.ts'
import { copyEtc } from '#support/faults/etc.ts'

const FAULTS = fileURLToPath(new URL('../../fixtures/account-faults.mts', import.meta.url))
const ROUNDS = 60
const FILES = [...ACCOUNT_FILES]

/** Runs a fault with an /etc of its own: the machine's is not touched. */
async function withFault (t: Test, ...words: string[]): Promise<any> {
  const inside = ['--mount', '--propagation', 'private', 'sh', '-ec', 'mount --bind "$1" /etc; shift; exec "$@"', 'sh', copyEtc(t), process.execPath, FAULTS, ...words]
  return JSON.parse((await promisify(execFile)('unshare', inside)).stdout)
}

t.test('a lock file that nobody holds is in nobody\'s way: of a dead process, empty, or naming one that lives and is something else', async t => {
  for (const file of ['passwd', 'shadow', 'group', 'gshadow']) {
    for (const [what, text] of [['dead', '4194305'], ['empty', ''], ['alive', String(process.pid)]] as const) {
      t.strictSame(await withFault(t, 'lock', file, text), { stale: [`/etc/${file}.lock`], made: ['passwd', 'shadow'], left: [], locks: [] }, `${file}, ${what}`)
    }
  }
})

t.test('a lock that somebody holds is waited for, and its files are left alone', async t => {
  const { waitedMs, ...rest } = await withFault(t, 'held')
  t.ok(waitedMs > 1000, `waited ${waitedMs} ms`)
  t.strictSame(rest, { stale: [], left: [], locks: [] })
})

t.test('a useradd that outlives its server leaves no account behind', async t => {
  t.strictSame(await withFault(t, 'survivor'), { made: true, left: [] })
})

t.test('useradd and userdel that are killed at any moment leave no line and no lock, once the account is removed', async t => {
  const { half, locked, left, locks } = await withFault(t, 'killed', String(ROUNDS), '20')
  t.comment(`${ROUNDS} rounds: ${half} half accounts, ${locked} with lock files left`)
  t.ok(half + locked > 0, 'some were killed in the middle of their work')
  t.strictSame(left, [], 'no line is left')
  t.strictSame(locks, [], 'no lock file is left')
})

t.test('lines without an account are removed, whichever file they are in', async t => {
  for (const files of [['shadow'], ['passwd'], ['group'], ['gshadow'], ['subuid', 'subgid'], FILES.slice(1), FILES]) {
    t.strictSame(await withFault(t, 'orphaned', ...files), { before: files, left: [] }, files.join(', '))
  }
})
