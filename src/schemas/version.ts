import { Type, type Static } from '@sinclair/typebox'
import { updated, Wait } from './code-update.ts'
import { SessionId } from './common.ts'

const Reference = Type.String({ minLength: 1, maxLength: 100, description: 'A version: its number, or its label' })
/** Numbers are versions' own names. */
const Label = Type.String({ minLength: 1, maxLength: 100, pattern: '^(?![0-9]+$)[^\\p{Cc}/]+$', description: 'A name of a version, which no other version of the session has: text without `/` that is no number' })
const Count = (description: string) => Type.Integer({ minimum: 0, description })

export const VersionParams = Type.Object({ id: SessionId, version: Reference })
export const VersionFileParams = Type.Object({ id: SessionId, version: Reference, '*': Type.String({ description: 'The file\'s path: relative to the extension, with forward slashes' }) })

export const VersionsQuery = Type.Object({
  before: Type.Optional(Type.Integer({ minimum: 0, description: 'Only versions before this one: `next` of the page before' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'The most versions of a page' }))
}, { additionalProperties: false })

export const VersionView = Type.Object({
  version: Count('The number of pushes up to it; 0 is what the session began with'),
  at: Type.String({ format: 'date-time' }),
  by: Type.String({ description: 'The user who pushed it; `server` for a version that was kept after a restart of the server' }),
  point: Type.Union([Type.Literal('minor'), Type.Literal('major')], { description: 'major: the browser ran it, or it has a label' }),
  kept: Type.Boolean({ description: 'Its files are there: it can be looked at and gone back to. False when they take more than EX10_HISTORY_SIZE, or could not be read' }),
  files: Count('Number of its files'),
  bytes: Count('Bytes of all its files'),
  added: Count('Files that the version before does not have'),
  changed: Count('Files with another content than in the version before'),
  removed: Count('Files that only the version before has'),
  confirmedAt: Type.Optional(Type.String({ format: 'date-time', description: 'When the browser ran it, its service worker included' })),
  reloadMs: Type.Optional(Type.Integer({ description: 'How long the build and the reload took' })),
  label: Type.Optional(Type.String()),
  activity: Type.Optional(Type.Integer({ description: 'The activity that it belongs to' })),
  rolledBackTo: Type.Optional(Type.Integer({ description: 'The version whose files it has again' }))
}, { title: 'Version', description: 'A version of the extension\'s sources' })
export type VersionView = Static<typeof VersionView>

export const VersionList = Type.Object({
  versions: Type.Array(VersionView, { description: 'Newest first' }),
  next: Type.Optional(Type.Integer({ description: '`before` of the next page, when there is one' }))
}, { title: 'VersionList', description: 'Versions of a session\'s extension' })
export type VersionList = Static<typeof VersionList>

export const LabelBody = Type.Object({ label: Type.Union([Label, Type.Null()], { description: 'null: no label' }) }, { additionalProperties: false, title: 'VersionLabel', description: 'The name to give a version' })

export const RollbackBody = Type.Object({
  version: Type.Union([Type.Integer({ minimum: 0 }), Reference], { description: 'The number of a version, or its label' }),
  wait: Wait
}, { additionalProperties: false, title: 'RollbackRequest', description: 'The version to go back to' })
export const RollbackQuery = Type.Object({ wait: Wait }, { additionalProperties: false })
export const RolledBack = Type.Object({ ...updated, rolledBackTo: Type.Integer({ description: 'The version whose files the extension has again' }) }, { title: 'RolledBack', description: 'The files are written' })

const VersionFile = Type.Object({
  path: Type.String({ description: 'Relative to the extension' }),
  size: Count('Bytes'),
  hash: Type.String({ description: 'SHA-256 of its content, hex; its ETag is this in double quotes' })
}, { title: 'VersionFile', description: 'A file of a version' })
export const VersionFiles = Type.Object({ files: Type.Array(VersionFile) }, { title: 'VersionFiles', description: 'All files of a version' })

const Entry = Type.Object({ hash: Type.String(), size: Count('Bytes') }, { title: 'VersionContent', description: 'A file\'s content, by its SHA-256 as hex' })
export const DiffQuery = Type.Object({ to: Type.Optional(Type.Union([Reference], { description: 'The other version: its number, or its label; the newest if absent' })) }, { additionalProperties: false })
export const VersionDiff = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  files: Type.Array(Type.Object({
    path: Type.String({ description: 'Relative to the extension' }),
    change: Type.Union([Type.Literal('added'), Type.Literal('changed'), Type.Literal('removed')]),
    before: Type.Optional(Entry),
    after: Type.Optional(Entry),
    patch: Type.Optional(Type.String({ description: 'A unified diff. Absent for a file that is not text, or too long, or when there is too much to compare' }))
  }, { title: 'FileDiff', description: 'A file in which two versions differ' }))
}, { title: 'VersionDiff', description: 'What leads from one version to the other' })
export type VersionDiff = Static<typeof VersionDiff>

export const ActivityParams = Type.Object({ id: SessionId, activity: Type.Integer({ minimum: 1, description: 'The number of an activity' }) })
export const ActivityBody = Type.Object({ title: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^\\P{Cc}+$' })) }, { additionalProperties: false, title: 'ActivityRequest', description: 'The activity to begin' })
export const ActivityView = Type.Object({
  activity: Type.Integer({ minimum: 1 }),
  title: Type.Optional(Type.String()),
  at: Type.String({ format: 'date-time' }),
  by: Type.String({ description: 'The user who began it' }),
  from: Count('The version that it began with'),
  outcome: Type.Optional(Type.Union([Type.Literal('committed'), Type.Literal('discarded')], { description: 'Absent while it is under way' })),
  endedAt: Type.Optional(Type.String({ format: 'date-time' }))
}, { title: 'Activity', description: 'Pushes that are committed or discarded together' })
export type ActivityView = Static<typeof ActivityView>
export const ActivityList = Type.Object({ activities: Type.Array(ActivityView, { description: 'Newest first' }) }, { title: 'ActivityList', description: 'The last 200 activities of a session' })
export const Discarded = Type.Object({ ...updated, activity: ActivityView }, { title: 'Discarded', description: 'The files are as they were when the activity began' })
