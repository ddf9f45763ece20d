import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TEST_DATA } from '#support/servers/server.ts'

const SOURCE = fileURLToPath(new URL('../../fixtures/light-display', import.meta.url))

/**
 * Settings for `testEnv`: sessions whose display, browser and dev server are tiny programs that only answer as the
 * server expects. Accounts, rules, sandboxes, supervision and records are the real ones. The programs are copied to
 * where sessions can read them, once for each version, and stay for the next run.
 */
export function lightDisplay (): Record<string, string> {
  const names = readdirSync(SOURCE).sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(name).update(readFileSync(`${SOURCE}/${name}`))
  const folder = `${TEST_DATA}/light-display-${hash.digest('hex').slice(0, 16)}`
  if (!existsSync(folder)) {
    mkdirSync(TEST_DATA, { recursive: true, mode: 0o711 })
    const made = `${folder}.${process.pid}`
    mkdirSync(made)
    for (const name of names) copyFileSync(`${SOURCE}/${name}`, `${made}/${name}`)
    for (const path of [made, ...names.map(name => `${made}/${name}`)]) chmodSync(path, 0o755)
    try {
      renameSync(made, folder)
    } catch (error) {
      rmSync(made, { recursive: true })
      if (!existsSync(folder)) throw error // otherwise another test process was first
    }
  }
  return { EX10_SESSION_PATH: folder }
}
