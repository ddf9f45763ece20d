// npm run admin: administers the sessions of a running server, from a terminal of root. Reads the same EX10_* settings as the server.
// Where users log in, the command makes an API key and removes it at its end: a user who can read the data folder can make keys
// anyway.
import { setTimeout as delay } from 'node:timers/promises'
import { readConfig } from '#config.ts'
import { SCOPES } from '#domain/principal.ts'
import { backendOf, storesOf } from '#stores/index.ts'
import { storePassword } from '#system/access/store-password.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { Refused, runCommand } from './root-command.mjs'

const USAGE = `usage: npm run admin -- list [--user NAME] [--state creating|ready|stopping] [--older-than SECONDS] [--idle SECONDS]
       npm run admin -- kill ID [--violation] | --user NAME [--dry-run]
       npm run admin -- stats
       npm run admin -- drain [--deadline SECONDS] [--at-deadline end|wait] [--wait SECONDS] | --cancel
       npm run admin -- log [--user NAME] [--before NUMBER] [--verify]
  --url URL   the server, if the settings do not give its address`
const TIMEOUT_MS = 600_000 // the ends of many sessions take long
const KEY_SECONDS = 660
const POLL_MS = 1000

const string = { type: 'string' }
const boolean = { type: 'boolean' }

await runCommand({
  commands: {
    list: { run: list, options: { user: string, state: string, 'older-than': string, idle: string } },
    kill: { run: kill, options: { user: string, 'dry-run': boolean, violation: boolean }, most: 1 },
    stats: { run: stats },
    drain: { run: drain, options: { deadline: string, 'at-deadline': string, wait: string, cancel: boolean } },
    log: { run: log, options: { user: string, before: string, verify: boolean } }
  },
  options: { url: string },
  usage: USAGE,
  whyRoot: 'only root can read the server\'s keys'
}, async (command, values, words) => {
  const config = readConfig(process.env)
  await withAccess(config, seconds(values.wait) ?? 0, headers => command((...request) => ask(values.url ?? urlOf(config), headers, ...request), values, words))
})

function urlOf ({ host, port }) {
  const address = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `http://${address}:${port}`
}

/** Calls `work` with the headers of an admin's request. `seconds` is the time that it may wait. */
async function withAccess (config, seconds, work) {
  if (config.auth === 'none') return await work({})
  if (backendOf(config.store) === 'memory') throw new Refused('ex10: with EX10_STORE=memory:, this command can make no key for itself: use the routes below /admin with the login of an admin')
  const keys = await (await storesOf({ store: config.store, password: storePassword(config) }, dataFolderAt(config.dataDir))).openKeys()
  for (const { id, user, expiresAt } of await keys.list()) if (user === 'terminal' && expiresAt < new Date()) await keys.remove(id) // keys of aborted commands
  const expiresAt = new Date(Date.now() + (KEY_SECONDS + seconds) * 1000)
  const { key, secret } = await keys.create({ user: 'terminal', role: 'admin', scopes: SCOPES, expiresAt })
  try {
    await work({ authorization: `Bearer ${secret}` })
  } finally {
    await keys.remove(key.id)
    await keys.close()
  }
}

async function ask (url, headers, method, path, query = {}, body) {
  const target = new URL(path, url)
  for (const [name, value] of Object.entries(query)) if (value !== undefined) target.searchParams.set(name, value)
  let response
  try {
    response = await fetch(target, { method, headers: { ...headers, ...body && { 'content-type': 'application/json' } }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (error) {
    if (error.name === 'TimeoutError') throw new Refused(`ex10: the server at ${url} did not answer within ${TIMEOUT_MS / 60_000} minutes`)
    throw new Refused(`ex10: no server answers at ${url}: ${error.cause?.message ?? error.message}`)
  }
  const answer = await response.json()
  if (!response.ok) throw new Refused(`ex10: ${answer.message.replace(/^querystring\.(\w+)/, (_, field) => optionOf(field))}`)
  return answer
}

/** `olderThan` -> `--older-than` */
function optionOf (field) {
  return '--' + field.replace(/[A-Z]/g, capital => '-' + capital.toLowerCase())
}

async function list (admin, { user, state, 'older-than': olderThan, idle }) {
  let after
  do {
    const page = await admin('GET', '/admin/sessions', { user, state, olderThan, idle, after })
    for (const session of page.sessions) console.log(lineOf(session))
    after = page.next
  } while (after)
}

function lineOf ({ id, state, health, owner, address, createdAt, idleMs, channels }) {
  const times = [`since ${createdAt}`, ...idleMs === undefined ? [] : [`idle ${Math.round(idleMs / 1000)} s`]]
  const open = channels.map(({ type, user, address }) => `${type} ${[user, address].filter(Boolean).join('@')}`)
  return [id, health === 'ok' ? state : health, `${owner}@${address}`, ...times, ...open].join('  ')
}

async function kill (admin, { user, 'dry-run': dryRun, violation }, [id]) {
  if ((id === undefined) === (user === undefined) || (violation && id === undefined)) throw new Refused(USAGE)
  if (id !== undefined) {
    if (dryRun) throw new Refused(USAGE)
    await admin('DELETE', `/admin/sessions/${encodeURIComponent(id)}`, { violation })
    console.log(`ended  ${id}`)
    return
  }
  const { ended, failed } = await admin('DELETE', `/admin/users/${encodeURIComponent(user)}/sessions`, { dryRun: dryRun ? '1' : undefined })
  for (const id of ended) console.log(`${dryRun ? 'would end' : 'ended'}  ${id}`)
  for (const id of failed) console.error(`teardown failed  ${id}`)
  if (ended.length + failed.length === 0) console.error(`${user} has no session: there is nothing to end`)
  if (failed.length > 0) process.exitCode = 1
}

async function stats (admin) {
  console.log(JSON.stringify(await admin('GET', '/admin/stats'), null, 2))
}

async function drain (admin, { deadline, 'at-deadline': atDeadline, wait, cancel }) {
  if (cancel) {
    if (deadline ?? atDeadline ?? wait) throw new Refused(USAGE)
    await admin('DELETE', '/admin/drain')
    return console.log('the server takes sessions again')
  }
  const begun = await admin('POST', '/admin/drain', {}, { deadline: seconds(deadline), atDeadline })
  console.log(`drained since ${begun.since}, deadline ${begun.deadline}: ${begun.atDeadline === 'end' ? 'sessions are ended then' : 'sessions go on after it'}`)
  if (wait === undefined) return console.log(leftOf(begun))
  await untilEmpty(admin, performance.now() + seconds(wait) * 1000)
}

/** Waits until no session is left. @throws {Refused} when the time is over, or when the drain is */
async function untilEmpty (admin, until) {
  for (let told = '', state; ; await delay(Math.min(POLL_MS, Math.max(0, until - performance.now())))) {
    state = await admin('GET', '/admin/drain')
    if (!state.draining) throw new Refused('ex10: the drain was cancelled, or the server was started again, which ends a drain')
    if (told !== leftOf(state)) console.log(told = leftOf(state))
    if (state.sessions === 0) return
    if (performance.now() >= until) throw new Refused(`ex10: the time to wait is over: ${leftOf(state)}`)
  }
}

function leftOf ({ sessions }) {
  if (sessions === 0) return 'no session is left'
  return sessions === 1 ? 'one session is left' : `${sessions} sessions are left`
}

/** @throws {Refused} unless it is a whole number */
function seconds (text) {
  if (text === undefined) return undefined
  if (!/^\d{1,6}$/.test(text)) throw new Refused(`ex10: ${text} is not a number of seconds\n${USAGE}`)
  return Number(text)
}

async function log (admin, { user, before, verify }) {
  const { entries, head, intact, firstBroken } = await admin('GET', '/admin/audit-log', { user, before, verify: verify ? 'true' : undefined })
  for (const { seq, at, user, address, action, target, details } of entries.reverse()) {
    console.log([seq, at, [user, address].filter(Boolean).join('@'), action, target, details && JSON.stringify(details)].filter(Boolean).join('  '))
  }
  if (!verify) return
  console.error(intact ? `intact up to ${head.seq}: ${head.hash}` : `entry ${firstBroken} was changed, or the entry before it is missing`)
  if (!intact) process.exitCode = 1
}
