import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Lanes } from '#domain/concurrency/lanes.ts'
import { snapshotScope, type Snapshot } from '#domain/memory/snapshot.ts'
import type { SessionFacts } from '#domain/session.ts'
import { packProfile, unpackProfile } from '#system/memory/profile.ts'
import type { Enter } from '#system/sandbox/enter.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The profiles of sessions' browsers. */
    profiles: {
      /**
       * Keeps the profile as a blob of the session's snapshot, as of one moment: the browser stands still while it is read. With
       * `isLast`, the browser ends first, and so writes everything that it still has in memory. Rejects when the profile cannot be read.
       */
      keep (facts: SessionFacts, isLast: boolean, signal: AbortSignal): Promise<Snapshot['profile']>
      /** Puts the profile of a snapshot, if it has one, into a new session of the same owner, before its browser starts. A profile that cannot be used is left out. */
      restore (facts: SessionFacts, snapshot: Snapshot, signal: AbortSignal): Promise<void>
    }
  }
}

/** The profiles that are packed at a time: each may need 64 MiB of the server's disk meanwhile. */
const AT_ONCE = 4
const MOST_WAITING = 1000
const KEEP_MS = 5000
const PACKING = 'packing'

async function profiles (app: FastifyInstance): Promise<void> {
  const lanes = new Lanes(AT_ONCE, MOST_WAITING)
  const enterOf = (facts: SessionFacts): Enter => (argv, options) => app.sandboxes.enter(facts, argv, options)

  app.decorate('profiles', {
    async keep (facts, isLast, outer) {
      const signal = AbortSignal.any([outer, AbortSignal.timeout(KEEP_MS)])
      const leave = await lanes.enter(PACKING, signal)
      try {
        return await keep(facts, isLast, signal)
      } finally {
        leave()
      }
    },
    async restore (facts, { session: { id, owner }, profile }, signal) {
      if (profile === undefined || profile === 'too-large' || owner !== facts.owner) return
      await unpack(facts, snapshotScope(id), profile.blob, signal).catch(err => {
        signal.throwIfAborted()
        app.log.warn({ err, sessionId: facts.id }, 'profile of the browser not restored')
      })
    }
  } satisfies FastifyInstance['profiles'])

  async function keep (facts: SessionFacts, isLast: boolean, signal: AbortSignal): Promise<Snapshot['profile']> {
    if (!app.sandboxes.watch(facts).isAlive()) throw new Error('the sandbox is gone')
    if (isLast) {
      await app.services.end(facts, 'browser', () => app.browserContents.close(facts, signal), signal).catch(err => {
        signal.throwIfAborted()
        app.log.info({ err, sessionId: facts.id }, 'Chromium did not end in time: its profile is taken as it is')
      })
    }
    const packed = await app.supervision.during(facts.id, 'browser', () => packProfile(enterOf(facts), app.instance.folder.uploads, signal))
    if (packed === 'too-large') return packed
    try {
      const blob = `profile-${packed.hash}`
      return { blob, bytes: await app.blobs.put(snapshotScope(facts.id), blob, packed.content(), signal) }
    } finally {
      packed.release().catch(err => app.log.error({ err }, 'packed profile not closed'))
    }
  }

  async function unpack (facts: SessionFacts, scope: string, blob: string, signal: AbortSignal): Promise<void> {
    const content = await app.blobs.get(scope, blob)
    if (!content) throw new Error('the profile is gone')
    try {
      await unpackProfile(enterOf(facts), content, signal)
    } finally {
      content.destroy()
    }
  }
}

export default fp(profiles, { name: 'profiles', dependencies: ['browser-contents', 'instance', 'sandboxes', 'services', 'storage', 'supervision'] })
