// Logs people in where needed; creates sessions and shows their progress; lists sessions, and ends them.

/** The path of the server, with a slash at its end. */
const { base } = document.querySelector('main').dataset
const login = document.querySelector('#login')
const desk = document.querySelector('#desk')
const create = document.querySelector('#create')
const progress = document.querySelector('#progress')
const sessions = document.querySelector('#sessions')

/** Options of each request that changes something: the token proves that a page of this login sends it. */
let changing = {}

login.addEventListener('submit', async event => {
  event.preventDefault()
  const wanted = new URLSearchParams(location.search).get('next') ?? base
  const next = wanted.startsWith(`${base}session/`) ? wanted : base
  const key = document.querySelector('#key')
  if (!key) return location.assign(`${base}login/oidc?next=${encodeURIComponent(next)}`)
  const response = await fetch(`${base}login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key: key.value.trim() }) })
  if (!response.ok) {
    document.querySelector('#refusal').textContent = (await response.json()).message
    return
  }
  key.value = ''
  if (next === base && location.hash !== '') location.reload() // the same address, with what stands behind the hash
  else location.assign(next)
})

document.querySelector('#logout').addEventListener('click', async () => {
  const response = await fetch(`${base}logout`, { method: 'POST', ...changing })
  const { url } = await response.json()
  location.assign(url ?? base) // at the provider, too
})

create.addEventListener('click', () => createBy(() => fetch(`${base}createSession`, changing)))

/** Creates a session by the request, and opens it. */
async function createBy (request) {
  create.disabled = true
  progress.replaceChildren()
  try {
    await follow(await request())
  } catch (error) {
    addLine('error', `The connection to the server was lost: ${error.message}`)
  }
  create.disabled = false
}

/** Brings an ended session back. */
function recover (token) {
  const headers = { ...changing.headers, 'content-type': 'application/json', accept: 'application/x-ndjson' }
  return createBy(() => fetch(`${base}recover`, { method: 'POST', headers, body: JSON.stringify({ token }) }))
}

async function follow (response) {
  if (!response.ok) return addLine('error', (await response.json()).message)
  for await (const { status, data } of lines(response.body)) {
    if (status === 'complete') return location.assign(data.url)
    addLine(status, data.elapsedMs === undefined ? data.message : `${data.message} (${data.elapsedMs} ms)`)
  }
}

/** The objects of a stream with one JSON object a line. */
async function * lines (stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    const parts = (text + chunk.value).split('\n')
    text = parts.pop()
    for (const part of parts) yield JSON.parse(part)
  }
}

function addLine (status, text) {
  const item = document.createElement('li')
  item.className = status
  item.textContent = text
  progress.append(item)
}

/** The content of the list, as JSON. */
let listed = ''

async function listSessions () {
  const response = await fetch(`${base}sessions`)
  if (!response.ok) {
    listed = ''
    return sessions.replaceChildren((await response.json()).message)
  }
  const list = (await response.json()).sessions
  const news = JSON.stringify(list.map(({ id, state, health, problems }) => [id, state, health, problems]))
  if (news === listed) return // leave the list alone, so that a button does not move while it is pressed
  listed = news
  sessions.replaceChildren(...list.map(toItem))
  if (list.length === 0) sessions.append('None yet.')
}

const ended = document.querySelector('#ended')
const recoverable = document.querySelector('#recoverable')

async function listRecoverable () {
  const response = await fetch(`${base}recoverable`)
  const list = response.ok ? (await response.json()).sessions : []
  recoverable.replaceChildren(...list.map(toRecoverable))
  ended.hidden = list.length === 0
}

function toRecoverable ({ sessionId, template, version, reason, endedAt, until, isRunning }) {
  const bring = document.createElement('button')
  bring.textContent = 'Bring back'
  bring.disabled = isRunning
  bring.addEventListener('click', async () => {
    bring.disabled = true
    const response = await fetch(`${base}recoverable/${sessionId}/token`, { method: 'POST', ...changing })
    const answer = await response.json()
    if (response.ok) await recover(answer.token)
    else addLine('error', answer.message)
    await listRecoverable()
  })
  const item = document.createElement('li')
  const time = text => new Date(text).toLocaleTimeString()
  item.append(`${sessionId.slice(0, 8)} (${template}, ${version} pushes) ${reason} at ${time(endedAt)}, until ${time(until)} `, bring)
  return item
}

function toItem ({ id, url, state, health, createdAt, problems }) {
  const link = document.createElement('a')
  link.href = url
  link.textContent = id.slice(0, 8)
  const end = document.createElement('button')
  end.textContent = 'End'
  end.addEventListener('click', async () => {
    end.disabled = true
    const response = await fetch(`${base}session/${id}`, { method: 'DELETE', ...changing })
    if (!response.ok) addLine('error', (await response.json()).message)
    end.disabled = false
    await listSessions()
  })
  const item = document.createElement('li')
  const since = new Date(createdAt).toLocaleTimeString()
  item.append(link, ` ${state}${health === 'ok' ? '' : `, ${health}`}, since ${since} `, end, ...toProblem(problems))
  return item
}

/** The first error, else the first warning, and the number of others. The messages are untrusted: they are shown as text. */
function toProblem (problems) {
  const first = problems.find(({ kind }) => kind !== 'warning') ?? problems[0]
  if (!first) return []
  const paragraph = document.createElement('p')
  paragraph.className = first.kind === 'warning' ? 'warning' : 'error'
  const place = document.createElement('b')
  place.textContent = [first.file, first.line].filter(part => part !== undefined).join(':')
  paragraph.append(place, ` ${first.message}`, problems.length > 1 ? ` (and ${problems.length - 1} more)` : '')
  return [paragraph]
}

/** Lists the sessions again when the person comes back to the page. A timer would keep an unused login alive. */
function listWhenSeen () {
  const list = () => { if (!document.hidden) Promise.all([listSessions(), listRecoverable()]).catch(() => {}) } // the server is away: keep the present list
  document.addEventListener('visibilitychange', list)
  addEventListener('focus', list)
}

/** Shows the login, or the person's sessions. */
async function begin () {
  const response = await fetch(`${base}me`)
  if (response.status === 401) {
    login.hidden = false
    return
  }
  const { user, csrfToken } = await response.json()
  if (csrfToken !== undefined) {
    changing = { headers: { 'x-csrf-token': csrfToken } }
    document.querySelector('#user').textContent = user
    document.querySelector('#who').hidden = false
  }
  desk.hidden = false
  await Promise.all([listSessions(), listRecoverable()])
  listWhenSeen()
  const [, token] = /^#recover=(ex10r_[\w-]+)$/.exec(location.hash) ?? []
  if (token === undefined) return
  globalThis.history.replaceState(null, '', location.pathname) // the token serves once
  await recover(token)
}

await begin()
