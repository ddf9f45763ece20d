import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { readResolvers, ResolverWatch, type Resolvers } from '#system/firewall/resolvers.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The resolvers in this machine's configuration, which is watched for changes. */
    resolvers: {
      now (): Resolvers
      /** Calls `listener`, which must not throw, when the resolvers have changed. */
      onChange (listener: (resolvers: Resolvers) => void): void
    }
  }
}

const LOOK_MS = 1000

async function resolvers (app: FastifyInstance): Promise<void> {
  const log = app.log.child({ plugin: 'resolvers' })
  const watch = new ResolverWatch(await readResolvers())
  const listeners = new Listeners<[Resolvers]>()
  const closing = new AbortController()
  let problem = ''

  app.decorate('resolvers', {
    now: () => watch.known,
    onChange: (listener: (resolvers: Resolvers) => void) => { listeners.add(listener) }
  })
  const watching = every(LOOK_MS, look, closing.signal)
  app.addHook('onClose', async () => {
    closing.abort()
    await watching
  })

  async function look (): Promise<void> {
    try {
      if (await watch.look()) {
        const { resolvers4, resolvers6 } = watch.known
        log.info({ resolvers4, resolvers6 }, 'resolvers changed')
        listeners.tell(watch.known)
      }
      problem = ''
    } catch (err) {
      const { message } = err as Error
      if (message !== problem) log.error({ err }, 'resolvers not read: the earlier ones hold')
      problem = message
    }
  }
}

export default fp(resolvers, { name: 'resolvers' })
