import { Type } from '@sinclair/typebox'
import { parseFailpoint } from '#domain/sessions/failpoint.ts'
import { BadSetting, type Values } from './setting.ts'

/** How many sessions there may be, how they are made, and how they end. */
export const sessions = {
  maxSessions: Type.Integer({ minimum: 0, default: 0, description: 'How many sessions there may be; 0 means as many as there are slots' }),
  maxSessionsPerUser: Type.Integer({
    minimum: 0,
    default: 0,
    description: 'How many sessions a user may have; 0 means 10 where users log in, and no such limit with EX10_AUTH=none'
  }),
  whenFull: Type.Union([Type.Literal('refuse'), Type.Literal('queue'), Type.Literal('evict-oldest')], {
    default: 'refuse',
    description: 'How the server treats a creation beyond these limits: `refuse` it, let it wait in a `queue`, or `evict-oldest` to end its user\'s oldest session first'
  }),
  queueLength: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many creations may wait' }),
  queueTimeout: Type.Number({ minimum: 1, maximum: 86_400, default: 300, description: 'How long a creation may wait, seconds' }),
  stepTimeout: Type.Number({
    minimum: 1,
    maximum: 600,
    default: 30,
    description: 'How long one step of a creation or of a teardown may take, seconds'
  }),
  onShutdown: Type.Union([Type.Literal('end'), Type.Literal('keep')], {
    default: 'end',
    description: 'How the server treats live sessions at SIGTERM: `end` them, or `keep` them for the next start'
  }),
  failpoint: Type.String({
    default: '',
    description: 'For tests: `<step>:<before|after>:<throw|hang|kill9|enospc>` makes that step of a creation or a teardown go wrong, once'
  })
}

export function checkSessions ({ failpoint }: Values<typeof sessions>): void {
  try {
    parseFailpoint(failpoint)
  } catch (cause) {
    throw new BadSetting(`EX10_FAILPOINT=${failpoint} cannot be used: ${(cause as Error).message}`, { cause })
  }
}
