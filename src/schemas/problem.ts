import { Type, type Static } from '@sinclair/typebox'
import { PROBLEM_CONTEXTS, PROBLEM_KINDS } from '#domain/programs/problem.ts'

/** The text comes from the session: bounded, and to be shown as text only. */
export const Problem = Type.Object({
  kind: Type.Union(PROBLEM_KINDS.map(kind => Type.Literal(kind)), { description: 'warning: the extension runs all the same' }),
  message: Type.String({ maxLength: 1000, description: 'For a person: what is wrong, in the words of Chromium or of the build' }),
  file: Type.Optional(Type.String({ maxLength: 1024, description: 'Relative to the extension\'s sources' })),
  line: Type.Optional(Type.Integer({ minimum: 1, description: 'Counted from 1' })),
  column: Type.Optional(Type.Integer({ minimum: 1, description: 'Counted from 1' })),
  context: Type.Optional(Type.Union(PROBLEM_CONTEXTS.map(context => Type.Literal(context)), { description: 'What part of the extension, or of its build, it concerns' }))
}, { $id: 'Problem', description: 'One thing that is wrong with the extension' })
export type Problem = Static<typeof Problem>

/** For routes: all that is wrong with the sources as they are. What a session's process says is checked with `Problem` itself: this one refers to it by name. */
export const Problems = Type.Array(Type.Unsafe<Problem>(Type.Ref('Problem')), { maxItems: 50, description: 'What is wrong with the extension\'s sources as they are; empty when all is well' })
export type Problems = Static<typeof Problems>
