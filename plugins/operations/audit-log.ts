import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { AuditedAction, AuditedDeed } from '#domain/operations/audit-log.ts'
import type { Principal } from '#domain/principal.ts'
import type { SessionFacts } from '#domain/session.ts'
import { openAuditLog, type AuditLogStore } from '#stores/sqlite/audit-log.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Who did what. */
    auditLog: Pick<AuditLogStore, 'page' | 'firstBroken' | 'head'> & {
      /** Notes what whoever sent the request has done. What cannot be noted is logged: nobody is kept from ending a session by a full disk. */
      note (request: Asked, deed: Omit<AuditedDeed, 'user' | 'address'>): void
      /** The same of what is done with a session, if it is somebody else's. */
      noteForeign (request: Asked, action: AuditedAction, session: Pick<SessionFacts, 'id' | 'owner'>): void
    }
  }
}

interface Asked { principal: Pick<Principal, 'user'>, ip: string }

async function auditLog (app: FastifyInstance): Promise<void> {
  const store = openAuditLog(app.instance.folder.auditLog)

  function append (deed: AuditedDeed): void {
    try {
      store.append(deed)
    } catch (err) {
      app.log.error({ err, deed }, 'audit log write failed')
    }
  }

  app.events.observe(({ id, owner, address }, { type, reason }) => {
    if (type === 'ready') append({ user: owner, address, action: 'session.created', target: id })
    if (type === 'ended' || type === 'failed') append({ user: 'server', action: `session.${type}`, target: id, details: { owner, reason: String(reason) } })
  })
  // the service's own log goes elsewhere: there, the heads tell later whether the end of this one was cut off
  const tellHead = () => app.log.info({ plugin: 'audit-log', head: store.head() }, 'audit log head')
  let hasListened = false
  app.addHook('onListen', async () => {
    hasListened = true
    tellHead()
  })
  app.addHook('onClose', async () => {
    if (hasListened) tellHead()
    store.close()
  })

  app.decorate('auditLog', {
    page: store.page,
    firstBroken: store.firstBroken,
    head: store.head,
    note: ({ principal, ip }, deed) => append({ user: principal.user, address: ip, ...deed }),
    noteForeign (request, action, { id, owner }) {
      if (owner !== request.principal.user) app.auditLog.note(request, { action, target: id, details: { owner } })
    }
  } satisfies FastifyInstance['auditLog'])
}

export default fp(auditLog, { name: 'audit-log', dependencies: ['events', 'instance'] })
