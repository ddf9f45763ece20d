import { Type } from '@sinclair/typebox'

/** The programs of a session. */
export const programs = {
  sessionPath: Type.Array(Type.String({ pattern: '^/[^\\0\\n:]*$', wanted: 'absolute paths without colons, such as /opt/chrome' }), {
    default: [],
    description: 'Absolute folders that are searched first for the programs of a session'
  })
}
