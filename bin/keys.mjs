// Administers the API keys of the instance, from a terminal. The server may run or not. Reads the same EX10_DATA_DIR as the server.
//   npm run keys -- create --user NAME [--role user|admin] [--scopes create,view,push] [--expires 2030-01-31T00:00:00Z]
//   npm run keys -- list
//   npm run keys -- revoke ID
// `create` prints the key on standard output. It cannot be shown again: only its hash is kept.
import { parseArgs } from 'node:util'
import { Value } from '@sinclair/typebox/value'
import { readConfig } from '#config.ts'
import { readKeyRequest } from '#domain/access/api-key.ts'
import { KeyRequest } from '#schemas/key.ts'
import { openAuditLog } from '#stores/sqlite/audit-log.ts'
import { dataFolderAt, prepareDataFolder } from '#system/instance/data-folder.ts'
import { openKeys } from '#stores/sqlite/keys.ts'

const USAGE = `usage: npm run keys -- create --user NAME [--role user|admin] [--scopes SCOPE,…] [--expires TIME]
       npm run keys -- list
       npm run keys -- revoke ID`

class Refused extends Error {}

const COMMANDS = { create, list, revoke }

try {
  if (process.getuid() !== 0) throw new Refused('root is needed: only root can read the keys')
  const { positionals: [name, ...words], values } = parse()
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined
  if (!command) throw new Refused(USAGE)
  const folder = dataFolderAt(readConfig(process.env).dataDir)
  await prepareDataFolder(folder)
  const keys = openKeys(folder.keys)
  const auditLog = openAuditLog(folder.auditLog)
  try {
    const { action, key } = command(keys, values, words) ?? {}
    if (action) auditLog.append({ user: 'terminal', action, target: key.id, details: { user: key.user, role: key.role } })
  } finally {
    keys.close()
    auditLog.close()
  }
} catch (error) {
  console.error(error instanceof Refused ? error.message : `ex10: ${error.message}`)
  process.exitCode = 1
}

function parse () {
  try {
    return parseArgs({ allowPositionals: true, options: { user: { type: 'string' }, role: { type: 'string' }, scopes: { type: 'string' }, expires: { type: 'string' } } })
  } catch (error) {
    throw new Refused(`${error.message}\n${USAGE}`)
  }
}

function create (keys, { user, role, scopes, expires }) {
  const request = { user, ...(role && { role }), ...(scopes && { scopes: scopes.split(',') }), ...(expires && { expiresAt: expires }) }
  const wrong = Value.Errors(KeyRequest, request).First()
  if (wrong && wrong.path !== '/expiresAt') throw new Refused(`--${wrong.path.split('/')[1]}: ${wrong.schema.description ?? wrong.message}\n${USAGE}`)
  const { key, secret } = keys.create(readKeyRequest(request, new Date()))
  console.error(`Key ${key.id} of ${key.user} (${key.role}: ${key.scopes.join(', ')}). It is shown only now:`)
  console.log(secret)
  return { action: 'key.created', key }
}

function list (keys) {
  for (const { id, user, role, scopes, createdAt, expiresAt, revokedAt, lastUsedAt } of keys.list()) {
    const times = { created: createdAt, used: lastUsedAt, expires: expiresAt, revoked: revokedAt }
    const told = Object.entries(times).filter(([, time]) => time).map(([what, time]) => `${what} ${time.toISOString()}`)
    console.log([id, user, role, scopes.join(','), ...told].join('  '))
  }
}

function revoke (keys, _values, [id]) {
  if (!id) throw new Refused(USAGE)
  const key = keys.revoke(id)
  if (!key) throw new Refused(`there is no key ${id}: "npm run keys -- list" lists all keys`)
  console.error(`Key ${id} is revoked`)
  return { action: 'key.revoked', key }
}
