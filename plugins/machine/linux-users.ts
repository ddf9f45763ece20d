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
      /** A new random name and a uid that no session had before it; nothing is made yet. */
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
  // it never goes back, so beyond the range's length it tells that uids come again
  let taken = app.registry.uids.get() ?? await rebuiltCounter()
  const accountInTurn = newQueue() // useradd and userdel lock the same files, and would wait for the lock until they give up

  /** The firewall would shut in whoever has a uid of the range. */
  async function refuseForeignAccounts (): Promise<void> {
    for (const [name, { uid }] of await readAccounts()) {
      if (uid < uidMin || uid > uidMax || name.startsWith(ACCOUNT_PREFIX)) continue
      throw new ClaimRefused(`the account ${name} has the uid ${uid}, which EX10_UID_MIN and EX10_UID_MAX give to sessions: set them apart`)
    }
  }

  /** The counter is lost with the registry: go on above whatever is still seen of earlier sessions. */
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
}

export default fp(linuxUsers, { name: 'linux-users', dependencies: ['config', 'instance', 'registry'] })
