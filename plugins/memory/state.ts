import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { edited, type Edit } from '#domain/memory/edit.ts'
import { KeptState, type Outcome, type Reading, type VersionsQuery } from '#domain/memory/kept-state.ts'
import type { Json } from '#domain/memory/merge-patch.ts'
import { jsonOf, KEPT_LIMITS, meets, PREFERENCES, TEMPORARY, TEMPORARY_LIMITS, type Author, type Standing, type StateConditions, type StatePath, type StateVersion } from '#domain/memory/state.ts'
import type { ClientContext, SessionFacts } from '#domain/session.ts'
import { Records } from '#domain/storage/records.ts'
import { UNSEALED } from '#domain/storage/sealer.ts'
import { userScope } from '#domain/storage/user-scope.ts'
import { failure } from '#errors.ts'
import { openPassingRecords } from '#stores/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What front ends and programs keep with a session: JSON values in categories, with versions. */
    state: {
      /** The JSON text at the path, with its tag. @throws {Ex10Error} EX10_STATE_NOT_FOUND for a missing value */
      read (facts: SessionFacts, path: StatePath): Promise<{ text: string, tag: string, at?: string | undefined }>
      /**
       * Makes the change, durably but for `temporary_data`, and publishes it. A change of all of the state is one of the session's own
       * categories: `preferences` and `temporary_data` stay.
       * @throws {Ex10Error} EX10_BAD_REQUEST, EX10_STATE_NOT_FOUND, EX10_PRECONDITION_FAILED, EX10_STATE_TOO_LARGE, EX10_BUSY
       */
      change (facts: SessionFacts, path: StatePath, edit: Edit, by: Author, conditions?: StateConditions): Promise<Outcome>
      /** Goes back to a kept version: of the session's own categories, of one of them, or of the `preferences`. @throws {Ex10Error} EX10_STATE_VERSION_NOT_FOUND, and the errors of `change` */
      rewind (facts: SessionFacts, version: number, category: string | undefined, by: Author, conditions?: StateConditions): Promise<Outcome>
      /** The kept versions, newest first: those of the session, or of its user's `preferences`. */
      versions (facts: SessionFacts, query: VersionsQuery): Promise<{ version: number, versions: StateVersion[] }>
      /** Notes the client that creates the session. */
      begin (facts: SessionFacts, context: ClientContext): Promise<void>
      context (id: string): Promise<ClientContext | undefined>
      /** The session's own categories, for a recovery point or an archive: without `preferences`, which are the user's, and `temporary_data`. */
      all (id: string): Promise<StateCopy>
      /** Gives a session that has no state yet that of such a copy, which may come from anywhere. @throws {Ex10Error} EX10_BAD_REQUEST, EX10_STATE_TOO_LARGE */
      restore (id: string, copy: unknown): Promise<void>
      /** Forgets all that is kept of an ended session. */
      forget (id: string): Promise<void>
      /** Forgets a user's preferences. */
      forgetUser (user: string): Promise<void>
    }
  }
}

export interface StateCopy { version: number, categories: Record<string, Record<string, Json>> }

const SERVER: Author = { user: 'server' }

async function state (app: FastifyInstance): Promise<void> {
  const passingStore = await openPassingRecords()
  const kept = new KeptState(app.records, KEPT_LIMITS)
  const passing = new KeptState(new Records(passingStore, UNSEALED), TEMPORARY_LIMITS)
  const own = (id: string) => `state/${id}`
  const temporary = (id: string) => `temporary/${id}`
  const preferences = (user: string) => `preferences/${userScope(user)}`
  const idsOf = (partitions: string[]) => partitions.map(partition => partition.slice(partition.indexOf('/') + 1))

  app.audit.own('temporary state', async () => idsOf(await passingStore.partitions('temporary/')))
  app.decorate('state', {
    async read (facts, path) {
      if (path.category === undefined) return await readAll(facts)
      const [states, partition] = placeOf(facts, path.category)
      const reading = await states.read(partition, path)
      if (reading.tag === undefined) throw failure('STATE_NOT_FOUND')
      const text = path.key === undefined ? jsonOf(reading.texts, path.category) : [...reading.texts.values()][0]!
      return { text, tag: reading.tag, at: reading.at }
    },
    async change (facts, path, edit, by, conditions = {}) {
      const [states, partition] = placeOf(facts, path.category)
      const outcome = await states.change(partition, { path, author: by, next: now => edited(path, edit, now), check: standing => check(facts, path, standing, conditions) })
      publish(facts, path, outcome)
      return path.category === undefined ? { ...outcome, tag: await tagOfAll(facts) } : outcome
    },
    async rewind (facts, version, category, by, conditions = {}) {
      const [states, partition] = placeOf(facts, category)
      const outcome = await states.rewind(partition, version, { path: { category }, author: by, check: standing => check(facts, { category }, standing, conditions) })
      publish(facts, { category }, outcome)
      return category === undefined ? { ...outcome, tag: await tagOfAll(facts) } : outcome
    },
    async versions (facts, query) {
      const [states, partition] = placeOf(facts, query.category)
      const [{ version }, versions] = await Promise.all([states.standing(partition), states.versions(partition, query)])
      return { version, versions }
    },
    async begin ({ id }, context) {
      await app.records.write(own(id), [{ key: 'context', value: context }])
    },
    context: async id => (await app.records.get<ClientContext>(own(id), 'context'))?.value,
    async all (id) {
      const [{ version }, { texts }] = [await kept.standing(own(id)), await kept.read(own(id))]
      return { version, categories: JSON.parse(jsonOf(texts)) as StateCopy['categories'] }
    },
    async restore (id, copy) {
      const { version, categories } = copyOf(copy)
      await kept.change(own(id), { path: {}, author: SERVER, next: now => edited({}, { put: categories }, now), check () {}, from: version })
    },
    async forget (id) {
      await Promise.all([kept.forget(own(id)), passing.forget(temporary(id))])
    },
    forgetUser: user => kept.forget(preferences(user))
  } satisfies FastifyInstance['state'])

  /** Where a category is kept. */
  function placeOf ({ id, owner }: SessionFacts, category: string | undefined): [KeptState, partition: string] {
    if (category === PREFERENCES) return [kept, preferences(owner)]
    return category === TEMPORARY ? [passing, temporary(id)] : [kept, own(id)]
  }

  async function readAll (facts: SessionFacts): Promise<{ text: string, tag: string }> {
    const tag = await tagOfAll(facts) // before the values, as in KeptState
    const readings: Reading[] = await Promise.all([kept.read(own(facts.id)), kept.read(preferences(facts.owner)), passing.read(temporary(facts.id))])
    return { text: jsonOf(new Map(readings.flatMap(({ texts }) => [...texts]))), tag }
  }

  async function tagOfAll ({ id, owner }: SessionFacts): Promise<string> {
    const standings = await Promise.all([kept.standing(own(id)), kept.standing(preferences(owner)), passing.standing(temporary(id))])
    return standings.map(({ tag }) => tag).join('.')
  }

  /** Runs at the moment of the write: the session may have ended since the request began. */
  async function check (facts: SessionFacts, { category }: StatePath, standing: Standing, conditions: StateConditions): Promise<void> {
    if (app.registry.get(facts.id)?.state !== 'ready') throw failure('SESSION_NOT_FOUND')
    const tag = category === undefined ? await tagOfAll(facts) : standing.tag
    if (!meets({ ...standing, tag }, conditions)) throw failure('PRECONDITION_FAILED', { message: 'The state does not meet the condition of If-Match or If-None-Match: read it again' })
  }

  /** Tells the session's readers, and, of the preferences, those of all sessions of the user. */
  function publish (facts: SessionFacts, { category, key }: StatePath, { version, changes }: Outcome): void {
    if (changes.length === 0) return
    const concerned = category === PREFERENCES ? app.registry.live().filter(({ owner, state }) => owner === facts.owner && state === 'ready') : [facts]
    const message = `The state has changed${category === undefined ? '' : `: ${[category, key].filter(Boolean).join('/')}`}`
    for (const session of concerned) app.events.publish(session, { type: 'state', message, version, ...(category !== undefined && { category }), ...(key !== undefined && { key }) })
  }
}

function copyOf (copy: unknown): { version: number, categories: Json } {
  const { version, categories } = (copy ?? {}) as { version?: unknown, categories?: unknown }
  const isNumber = Number.isSafeInteger(version) && Number(version) >= 0
  return { version: isNumber ? Number(version) : 0, categories: withoutEmpty(categories) }
}

/** The categories that have values: a copy shows those with a meaning of their own in any case. */
function withoutEmpty (categories: unknown): Json {
  if (typeof categories !== 'object' || categories === null) return {}
  return Object.fromEntries(Object.entries(categories as Record<string, Json>).filter(([, values]) => typeof values !== 'object' || Object.keys(values ?? {}).length > 0))
}

export default fp(state, { name: 'state', dependencies: ['audit', 'events', 'registry', 'storage'] })
