import { Type, type Static } from '@sinclair/typebox'
import { PROBLEM_CONTEXTS, PROBLEM_KINDS } from '#domain/programs/problem.ts'

/** The text comes from the session: its length is bounded, and it must be shown as text only. */
export const Problem = Type.Object({
  kind: Type.Union(PROBLEM_KINDS.map(kind => Type.Literal(kind)), { title: 'ProblemKind', description: 'warning: the extension runs all the same' }),
  message: Type.String({ maxLength: 1000, description: 'For a person, in the words of Chromium or of the build' }),
  file: Type.Optional(Type.String({ maxLength: 1024, description: 'Relative to the extension\'s sources' })),
  line: Type.Optional(Type.Integer({ minimum: 1, description: 'Counted from 1' })),
  column: Type.Optional(Type.Integer({ minimum: 1, description: 'Counted from 1' })),
  context: Type.Optional(Type.Union(PROBLEM_CONTEXTS.map(context => Type.Literal(context)), { title: 'ProblemContext', description: 'The part of the extension, or of its build, that it concerns' }))
}, { title: 'Problem', description: 'One fault of the extension' })
export type Problem = Static<typeof Problem>

/** All problems of the present sources. */
export const Problems = Type.Array(Problem, { maxItems: 50, description: 'Problems of the extension\'s present sources; empty when there are none' })
export type Problems = Static<typeof Problems>
