import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Listeners } from '#domain/concurrency/listeners.ts'
import type { StoreState } from '#domain/storage/store-link.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The connection to the store of EX10_STORE, which may be away when it is on another machine. */
    storeLink: {
      state (): StoreState
      /** @throws {Ex10Error} EX10_STORE_UNAVAILABLE unless the store answers and can be written now */
      check (): Promise<void>
      /** Calls `listener`, which must not throw, when the store goes away and when it is back. */
      onChange (listener: (change: 'away' | 'back', message: string) => void): void
    }
  }
}

const HERE: StoreState = { awaySince: undefined, waiting: 0, dropped: 0 }
const MESSAGES = {
  away: 'The server\'s store does not answer. The session goes on; until the store is back, nothing that it would keep can be changed',
  back: 'The server\'s store is back'
}

async function storeLink (app: FastifyInstance): Promise<void> {
  const { link } = app.instance.stores
  const log = app.log.child({ plugin: 'store-link' })
  const listeners = new Listeners<['away' | 'back', string]>()
  const closing = new AbortController()

  app.decorate('storeLink', {
    state: () => link?.state ?? HERE,
    check: async () => await link?.check(),
    onChange: listener => { listeners.add(listener) }
  } satisfies FastifyInstance['storeLink'])

  link?.onNews((news, err) => {
    if (news === 'away') log.error({ err }, 'store away')
    if (news === 'back') log.info({ dropped: link.state.dropped }, 'store back')
    if (news === 'dropping') log.error('too many writes wait for the store: the oldest are dropped')
    if (news === 'failed') log.error({ err }, 'waiting write refused')
    if (news === 'away' || news === 'back') listeners.tell(news, MESSAGES[news])
  })
  const watching = link?.watch(closing.signal)
  app.addHook('onClose', async () => {
    closing.abort()
    await watching
    const lost = await link?.flush() ?? 0
    if (lost > 0) log.error({ lost }, 'the server ends while its store is away: waiting writes are lost')
  })
}

export default fp(storeLink, { name: 'store-link', dependencies: ['instance'] })
