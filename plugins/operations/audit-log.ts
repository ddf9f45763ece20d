import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AuditedAction, AuditedDeed } from '#domain/operations/audit-log.ts'
import { peerOf } from '#domain/http/peer.ts'
import type { Principal } from '#domain/principal.ts'
import type { AuditLogStore } from '#domain/operations/audit-log-store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The record of actions by users and admins. */
    auditLog: Pick<AuditLogStore, 'page' | 'firstBroken' | 'head' | 'erase'> & {
      /** Adds an entry of which the server's log says nothing. Never rejects: a failed write is logged. */
      note (deed: AuditedDeed): Promise<void>
    }
  }
  interface FastifyRequest {
    /**
     * Notes the action that the route's config names in the audit log and in the server's log. `by` is its user, on routes for everybody.
     * A failed write is logged and does not fail the request: sessions can be ended even when the disk is full.
     */
    note (deed: Pick<AuditedDeed, 'target' | 'details'> & { by?: Pick<Principal, 'user'> }): Promise<void>
  }
  interface FastifyContextConfig {
    /** The action that the audit log records of this route. Its handler notes it. An action of `NOTED_OF_OTHERS` is noted before the handler instead. */
    noted?: AuditedAction
  }
}

async function auditLog (app: FastifyInstance): Promise<void> {
  const store = await app.instance.stores.openAuditLog()

  app.events.observe(({ id, owner, address, port, recoveredFrom }, { type, reason }) => {
    if (type === 'ready') append({ user: owner, address, ...(port !== undefined && { port }), action: 'session.created', target: id, ...(recoveredFrom !== undefined && { details: { recoveredFrom } }) })
    if (type === 'ended' || type === 'failed') append({ user: 'server', action: `session.${type}`, target: id, details: { owner, reason: String(reason) } })
  })
  // the server's log is stored elsewhere: its heads show later whether the end of the audit log was cut off
  const logHead = () => store.head().then(head => app.log.info({ plugin: 'audit-log', head }, 'audit log head'), err => app.log.warn({ err }, 'audit log head unknown'))
  let hasListened = false
  app.addHook('onListen', async () => {
    hasListened = true
    await logHead()
  })
  app.addHook('onClose', async () => {
    if (hasListened) await logHead()
    await store.close()
  })

  app.decorate('auditLog', {
    page: store.page,
    firstBroken: store.firstBroken,
    head: store.head,
    erase: store.erase,
    note: append
  } satisfies FastifyInstance['auditLog'])
  app.decorateRequest('note', async function (this: FastifyRequest, { by: { user } = this.principal, ...done }) {
    const { config, url } = this.routeOptions
    if (!config.noted) throw new Error(`${url} notes a deed, and does not say which: its config must`)
    await append({ user, ...peerOf(this), action: config.noted, ...done })
    this.log.info({ by: user, action: config.noted, ...done }, 'deed noted')
  })

  async function append (deed: AuditedDeed): Promise<void> {
    try {
      await store.append(deed)
    } catch (err) {
      app.log.error({ err, deed }, 'audit log write failed')
    }
  }
}

export default fp(auditLog, { name: 'audit-log', dependencies: ['events', 'instance'] })
