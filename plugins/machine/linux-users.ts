import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { LinuxUsers } from '#domain/sessions/capabilities.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Account } from '#domain/session.ts'
import { accountUids, ACCOUNT_PREFIX, createAccount, ensureGroup, readAccounts, removeAccount } from '#system/accounts/accounts.ts'
import { ClaimRefused } from '#system/instance/claims.ts'
import { ownsNothing, uidsInUse } from '#system/accounts/uids.ts'

declare module 'fastify' {
  interface FastifyInstance {
    linuxUsers: LinuxUsers & {
      /** Chooses a random name and the next uid of the range, in a circle. Makes nothing yet. */
      allocate (): Promise<Account>
      /** Whether the account is there, with a uid of the range that the firewall confines. */
      exists (account: Account): Promise<boolean>
    }
  }
}

async function linuxUsers (app: FastifyInstance): Promise<void> {
  const { uidMin, uidMax } = app.config
  const { homes } = app.instance.folder
  const range = uidMax - uidMin + 1
  await refuseForeignAccounts()
  const gid = await ensureGroup()
  // the counter never goes back: above the length of the range, uids are used again
  let taken = app.registry.uids.get() ?? await rebuiltCounter()
  const accountInTurn = newQueue() // useradd and userdel lock one set of files: in parallel they would wait for the lock and time out

  app.decorate('linuxUsers', {
    async allocate () {
      const uid = await allocateUid()
      const name = ACCOUNT_PREFIX + randomBytes(4).toString('hex')
      return { name, uid, gid, home: join(homes, name) }
    },
    async exists ({ name, uid }: Account) {
      return uid >= uidMin && uid <= uidMax && (await readAccounts()).get(name)?.uid === uid
    },
    create: (account: Account, signal: AbortSignal) => accountInTurn(async () => {
      if ((await readAccounts()).has(account.name)) throw new Error(`the account ${account.name} exists`)
      await createAccount(account, signal)
    }),
    remove: (account: Account) => accountInTurn(() => removeAccount(account))
  } satisfies FastifyInstance['linuxUsers'])

  /** Throws when a foreign account has a uid of the range: the firewall would confine its processes. */
  async function refuseForeignAccounts (): Promise<void> {
    for (const [name, { uid }] of await readAccounts()) {
      if (uid < uidMin || uid > uidMax || name.startsWith(ACCOUNT_PREFIX)) continue
      throw new ClaimRefused(`the account ${name} has the uid ${uid}, which EX10_UID_MIN and EX10_UID_MAX give to sessions: set them apart`)
    }
  }

  /** The counter was lost with the registry: goes on above the highest uid of earlier sessions that is still found. */
  async function rebuiltCounter (): Promise<number> {
    const used = (await uidsInUse(homes)).filter(uid => uid >= uidMin && uid <= uidMax)
    return Math.max(uidMin - 1, ...used) + 1 - uidMin
  }

  async function allocateUid (): Promise<number> {
    for (let tried = 0; tried < range; tried++) {
      const isAgain = taken >= range
      const uid = uidMin + taken % range
      app.registry.uids.set(++taken)
      if (isAgain ? await ownsNothing(uid, homes) : !(await accountUids()).has(uid)) return uid
    }
    throw new Error(`every uid from ${uidMin} to ${uidMax} owns something on this machine`)
  }
}

export default fp(linuxUsers, { name: 'linux-users', dependencies: ['config', 'instance', 'registry'] })
