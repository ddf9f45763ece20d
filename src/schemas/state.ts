import { Type, type Static } from '@sinclair/typebox'
import { CATEGORY, KEY } from '#domain/memory/state.ts'
import { SessionId } from './common.ts'

const Category = Type.String({ pattern: CATEGORY.source, description: 'Names a category: `user_data`, `analysis_data`, `ui_state`, `preferences`, `temporary_data`, or another one. A letter, and at most 63 more letters, digits, `_` or `-`' })
const Key = Type.String({ pattern: KEY.source, description: 'Names a value: at most 128 letters, digits or `._:@~-`, a letter or digit first' })

export const StateParams = Type.Object({ id: SessionId })
export const CategoryParams = Type.Object({ id: SessionId, category: Category })
export const ValueParams = Type.Object({ id: SessionId, category: Category, key: Key })

const Tags = (description: string) => Type.Optional(Type.String({ description }))

export const StateReadConditions = Type.Object({ 'if-none-match': Tags('ETags that the client has: 304 if one of them is still right') })
export const StateConditions = Type.Object({
  'if-match': Tags('Only if this has one of these ETags; *: only if there is something'),
  'if-none-match': Tags('Only if this has none of these ETags; *: only if there is nothing yet')
})

export const StateValue = Type.Unknown({ title: 'StateValue', description: 'Any JSON value, of at most 256 KiB' })
export const StateCategory = Type.Record(Type.String(), Type.Unknown(), { title: 'StateCategory', description: 'Values by their names' })
export const State = Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown()), { title: 'State', description: 'Values by category and name' })
export const StatePatch = Type.Unknown({ title: 'StatePatch', description: 'A JSON Merge Patch (RFC 7396): null removes, an object is merged, anything else replaces' })

const Version = (description: string) => Type.Integer({ minimum: 0, description })

export const StateChanged = Type.Object({
  success: Type.Literal(true),
  message: Type.String(),
  version: Version('The version that the change made, or that was there if nothing was to be changed'),
  at: Type.String({ format: 'date-time' }),
  changes: Type.Integer({ minimum: 0, description: 'Number of added, changed and deleted values' })
}, { title: 'StateChanged', description: 'The state is as wanted; the ETag is the new one' })
export type StateChanged = Static<typeof StateChanged>

export const VersionsQuery = Type.Object({
  category: Type.Optional(Type.String({ pattern: CATEGORY.source, description: 'Only versions that changed this category. `preferences` have versions of their own' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20, description: 'The most versions in the answer' })),
  before: Type.Optional(Type.Integer({ minimum: 0, description: 'The `next` of the page before' }))
}, { additionalProperties: false })

export const StateVersions = Type.Object({
  version: Version('The version of now'),
  versions: Type.Array(Type.Object({
    version: Version('Names the version'),
    at: Type.String({ format: 'date-time' }),
    by: Type.Object({
      user: Type.String({ description: 'The user; `server` for what a session began with' }),
      credential: Type.Optional(Type.String({ description: 'key, login, token, or none with EX10_AUTH=none' }))
    }, { title: 'StateAuthor', description: 'The user that made the version, and the kind of credential' }),
    restored: Type.Optional(Version('The version that this one went back to')),
    changed: Type.Integer({ description: 'Number of added, changed and deleted values' }),
    changes: Type.Array(Type.Object({
      category: Type.String(),
      key: Type.String(),
      action: Type.Union(['added', 'changed', 'deleted'].map(action => Type.Literal(action)), { title: 'StateAction', description: 'What happened to the value' })
    }, { title: 'StateChange', description: 'A change of one value' }), { description: 'At most 100 of them' })
  }, { title: 'StateVersion', description: 'The changes of one request' }), { description: 'Newest first' }),
  next: Type.Optional(Type.Integer({ description: 'Present when there are more versions: send it as `before` to get them' }))
}, { title: 'StateVersions', description: 'One page of the versions that can be gone back to' })
export type StateVersions = Static<typeof StateVersions>

export const RestoreState = Type.Object({
  version: Version('The version to go back to'),
  category: Type.Optional(Type.String({ pattern: CATEGORY.source, description: 'Only this category. Without it, all but `preferences` and `temporary_data`' }))
}, { additionalProperties: false, title: 'RestoreState', description: 'A version of the state' })
