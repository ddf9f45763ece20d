// npm run keys: administers the API keys of the instance, from a terminal. The server may run or not. Reads the same EX10_DATA_DIR as the
// server. `create` prints the key on standard output. It cannot be shown again: only its hash is kept. With --from, the key is the
// content of a file that only root can read, such as a mounted secret: `ex10_` and 43 characters of base64url. Repeated, it changes nothing.
// `rotate` replaces the keys of the server itself: the master key of what is encrypted, and the secret that signs cookies and page tokens.
// `abandon` deletes what no master key opens any more.
import { readFileSync, statSync } from 'node:fs'
import { Value } from '@sinclair/typebox/value'
import { readConfig } from '#config.ts'
import { isSecret, readKeyRequest } from '#domain/access/api-key.ts'
import { KeyRequest } from '#schemas/key.ts'
import { backendOf, openBlobs, storesOf } from '#stores/index.ts'
import { storePassword } from '#system/access/store-password.ts'
import { abandon, lostScopes } from '#system/instance/abandon-sealed.ts'
import { alone, withoutServer } from '#system/instance/claims.ts'
import { dataFolderAt, prepareDataFolder } from '#system/instance/data-folder.ts'
import { rotateSecret } from '#system/instance/own-secret.ts'
import { rotateMasterKey } from '#system/instance/rotate-keys.ts'
import { Refused, runCommand } from './root-command.mjs'

const USAGE = `usage: npm run keys -- create --user NAME [--role user|admin] [--scopes SCOPE,…] [--expires 2030-01-31T00:00:00Z] [--from FILE]
       npm run keys -- list
       npm run keys -- revoke ID
       npm run keys -- rotate
       npm run keys -- abandon [--yes]`

const string = { type: 'string' }
/** How long a retired secret stays in its file, in seconds: sessions and their open pages may be older than a login. */
const SECRETS_KEPT = 30 * 86_400

await runCommand({
  commands: {
    create: { run: create, options: { user: string, role: string, scopes: string, expires: string, from: string } },
    list: { run: list },
    revoke: { run: revoke, most: 1 },
    rotate: { run: rotate },
    abandon: { run: abandonLost, options: { yes: { type: 'boolean' } } }
  },
  usage: USAGE,
  whyRoot: 'only root can read the keys'
}, async (command, values, words) => {
  const config = readConfig(process.env)
  if (backendOf(config.store) === 'memory') throw new Refused('ex10: with EX10_STORE=memory:, keys are in the server\'s memory: POST /keys makes one, with the login of an admin')
  const folder = dataFolderAt(config.dataDir)
  await prepareDataFolder(folder)
  const stores = await storesOf({ store: config.store, password: storePassword(config) }, folder)
  const keys = await stores.openKeys()
  const auditLog = await stores.openAuditLog()
  try {
    const { action, key, target = key?.id, details = key && { user: key.user, role: key.role } } = await command(keys, values, words, { config, folder, stores }) ?? {}
    if (action) await auditLog.append({ user: 'terminal', action, target, details })
  } finally {
    await keys.close()
    await auditLog.close()
  }
})

async function create (keys, { user, role, scopes, expires, from }) {
  const request = { user, ...(role && { role }), ...(scopes && { scopes: scopes.split(',') }), ...(expires && { expiresAt: expires }) }
  const wrong = Value.Errors(KeyRequest, request).First()
  if (wrong && wrong.path !== '/expiresAt') throw new Refused(`--${wrong.path.split('/')[1]}: ${wrong.schema.description ?? wrong.message}\n${USAGE}`)
  if (from) return await createFrom(from, keys, readKeyRequest(request, new Date()))
  const { key, secret } = await keys.create(readKeyRequest(request, new Date()))
  console.error(`Key ${key.id} of ${key.user} (${key.role}: ${key.scopes.join(', ')}). It is shown only now:`)
  console.log(secret)
  return { action: 'key.created', key }
}

async function createFrom (file, keys, request) {
  const secret = readSecret(file)
  const known = await keys.find(secret)
  if (known) return console.error(`Key ${known.id} of ${known.user} is there already`)
  try {
    const { key } = await keys.create(request, new Date(), secret)
    console.error(`Key ${key.id} of ${key.user} (${key.role}: ${key.scopes.join(', ')}) is the one in ${file}`)
    return { action: 'key.created', key }
  } catch (error) {
    throw new Refused(`the key in ${file} cannot be added: it was revoked or has expired, or the store failed (${error.message}). Put another key there`)
  }
}

function readSecret (file) {
  const { uid, mode } = statSync(file)
  if (uid !== 0 || (mode & 0o077) !== 0) throw new Refused(`${file} cannot be used: users other than root can read it; "chown root" and "chmod 600" it`)
  const secret = readFileSync(file, 'utf8').trim()
  if (!isSecret(secret)) throw new Refused(`${file} holds no key: a key is ex10_ and 43 random characters of base64url`)
  return secret
}

async function list (keys) {
  for (const { id, user, role, scopes, createdAt, expiresAt, revokedAt, lastUsedAt } of await keys.list()) {
    const times = { created: createdAt, used: lastUsedAt, expires: expiresAt, revoked: revokedAt }
    const told = Object.entries(times).filter(([, time]) => time).map(([what, time]) => `${what} ${time.toISOString()}`)
    console.log([id, user, role, scopes.join(','), ...told].join('  '))
  }
}

async function revoke (keys, _values, [id]) {
  if (!id) throw new Refused(USAGE)
  const key = await keys.revoke(id)
  if (!key) throw new Refused(`there is no key ${id}: "npm run keys -- list" lists all keys`)
  console.error(`Key ${id} is revoked`)
  return { action: 'key.revoked', key }
}

async function rotate (_keys, _values, _words, { config, folder, stores }) {
  return await alone('rotation', async () => {
    const details = config.keyFile === 'none' ? {} : await rotateMaster(config.keyFile || folder.masterKeys, stores)
    rotateSecret(folder.cookieSecret, new Date(Date.now() - Math.max(config.loginTimeout, SECRETS_KEPT) * 1000))
    console.error('Cookies and page tokens are signed with a new secret. Those that were signed before stay valid as long as they last: nobody is logged out')
    return { action: 'server.keys-rotated', details }
  })
}

async function rotateMaster (keyFile, stores) {
  const records = await stores.openRecords()
  try {
    const { key, wrapped, broken, isCompleted } = await rotateMasterKey(keyFile, records)
    console.error(`${isCompleted ? 'Completed the rotation that was cut off: the' : 'The'} master key is ${key} now, and wraps all data keys (${wrapped} were wrapped anew). ${keyFile} holds it alone: keep a copy elsewhere`)
    if (broken.length > 0) console.error(`These data keys cannot be opened, and were left as they are: ${broken.join(', ')}`)
    return { key, wrapped }
  } finally {
    await records.close()
  }
}

async function abandonLost (_keys, { yes }, _words, { config, folder, stores }) {
  const keyFile = config.keyFile || folder.masterKeys
  if (keyFile === 'none') throw new Refused('ex10: with EX10_KEY_FILE=none there is no key file: give the one that was lost, or its place')
  withoutServer(folder.path, () => {})
  const records = await stores.openRecords()
  const blobs = await openBlobs(config, folder)
  try {
    const scopes = await lostScopes(keyFile, records)
    const what = `what was sealed for ${scopes.length} sessions and users, and ${keyFile} does not open${scopes.length > 0 ? `: ${scopes.join(', ')}` : ''}`
    if (!yes) throw new Refused(`ex10: this would delete for good ${what}. Repeat it with --yes`)
    await abandon(scopes, keyFile, records, blobs)
    console.error(`Deleted ${what}`)
    return { action: 'server.sealed-abandoned', details: { scopes: scopes.length } }
  } finally {
    await records.close()
    await blobs.close()
  }
}
