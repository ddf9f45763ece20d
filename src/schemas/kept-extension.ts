import { Type } from '@sinclair/typebox'
import { Problem } from './problem.ts'

const Running = Type.Object({ id: Type.String({ pattern: '^[a-p]{32}$' }), manifest: Type.Optional(Type.String()) })

/** The state of an extension in its browser, as a server keeps it for the next one. */
export const KeptExtension = Type.Object({
  loaded: Type.Integer(),
  extension: Type.Optional(Running),
  refusal: Type.Optional(Problem),
  problems: Type.Optional(Type.Array(Problem, { maxItems: 50 })),
  isWorkerUp: Type.Optional(Type.Boolean())
})
