import { Type } from '@sinclair/typebox'
import { seconds } from './setting.ts'

/** The first files of a session, and their packages. */
export const code = {
  template: Type.String({ default: 'vanilla', pattern: '^[a-z0-9-]+$', wanted: 'the name of a template, such as vanilla', description: 'Template of a session whose creation names none' }),
  historySize: Type.Integer({ minimum: 0, maximum: 100_000, default: 100, description: 'How much of the versions of a session\'s code is kept, MiB; 0 keeps no versions' }),
  activityTimeout: seconds({ default: 1800, minimum: 1, description: 'How long an activity goes on without a push before it is committed, seconds' }),
  npmRegistry: Type.String({
    default: '',
    pattern: '^(https?://[^\\s]+)?$',
    wanted: 'an address, such as https://npm.example.org/',
    description: 'npm registry that projects install from; empty: npm\'s default'
  })
}
