import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { read } from './client.ts'
import { NODE_COMPILE_CACHE, type Server } from './server.ts'
import { tally } from './tally.ts'

interface Findings { leaked: { kind: string, name: string }[], missing: { kind: string, name: string }[], unknown?: { kind: string, name: string }[] }

/** What an audit says, as `leaked`, or `missing`, `kind: name`; nothing when all is well. */
export interface Audited { leaked: string[], missing: string[], unknown?: string[], code: number }

/** `npm run audit`, with the server's settings. */
export async function auditFromTerminal (server: Pick<Server, 'env'>): Promise<Audited> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['bin/audit.mjs'], { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...server.env } })
    return { ...toLines(JSON.parse(stdout)), code: 0 }
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout: string, stderr: string, code: number }
    if (code !== 1) throw new Error(`the audit could not look: ${stderr}`, { cause: error })
    return { ...toLines(JSON.parse(stdout)), code }
  }
}

/** `GET /admin/audit`; its code is the terminal's. */
export async function auditFromServer (server: Pick<Server, 'url' | 'headers'>): Promise<Audited> {
  const found = toLines(await read(server, '/admin/audit'))
  return { ...found, code: found.leaked.length + found.missing.length > 0 ? 1 : 0 }
}

export const CLEAN: Audited = { leaked: [], missing: [], code: 0 }

/** Counts audits at the end of a test, and what they found too much or too little, for the generated report. */
export function tallyAudits (t: Test, audits: Audited[], left: string[]): void {
  tally(t, 'audits', audits.length + 1) // the listing of the machine is one
  tally(t, 'leaked', left.length + audits.reduce((sum, { leaked, missing }) => sum + leaked.length + missing.length, 0))
}

function toLines ({ leaked, missing, unknown }: Findings): Omit<Audited, 'code'> {
  const lines = (findings: Findings['leaked']) => findings.map(({ kind, name }) => `${kind}: ${name}`).sort()
  return { leaked: lines(leaked), missing: lines(missing), ...(unknown && { unknown: lines(unknown) }) }
}
