import { relative, resolve } from 'node:path'
import { Type } from '@sinclair/typebox'
import type { machine } from './machine.ts'
import { BadSetting, type Values } from './setting.ts'

/** The programs of a session. */
export const programs = {
  sessionPath: Type.Array(Type.String({ pattern: '^/[^\\0\\n:]*$', wanted: 'absolute paths without colons, such as /opt/chrome' }), {
    default: [],
    description: 'Absolute folders that sessions see, read-only, and search first for their programs'
  })
}

/** Folders that are the session's own, and lead elsewhere there. */
const OWN = /^\/((dev|proc|sys|run|tmp)(\/.*)?|etc|var|home|root)?$/

/** Refuses a folder that would show sessions more than its programs, or that they could not see. */
export function checkPrograms ({ sessionPath, dataDir }: Values<typeof programs & typeof machine>): void {
  for (const path of sessionPath) {
    const holdsData = !relative(path, dataDir).startsWith('..')
    if (!OWN.test(resolve(path)) && !holdsData) continue
    throw new BadSetting(`EX10_SESSION_PATH=${path} cannot be used: sessions would see all that is in it; give a folder that holds their programs only`)
  }
}
