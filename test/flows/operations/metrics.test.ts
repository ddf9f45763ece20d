import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { openSocket, xpraPacket } from '#support/display/socket-display.ts'
import { promtool, startPrometheus, type Prometheus } from '#support/operations/prometheus.ts'
import { samplesOf } from '#support/operations/samples.ts'
import { inside } from '#support/sandbox.ts'
import { ask } from '#support/servers/client.ts'
import { beginCreation, refusalOf, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { createSession, endSession, eventually, pushCode, testEnv } from '#support/servers/server.ts'

const TOKEN = '0123456789abcdef'.repeat(4)

interface Panel { id: number, type: string, title: string, gridPos: { x: number, y: number, w: number, h: number }, targets?: { expr: string }[] }
const dashboard = JSON.parse(readFileSync('docker/grafana-dashboard.json', 'utf8')) as { panels: Panel[] }

/** The expressions of the alerts, which stand on one line or, after `>-`, on several. */
function alerts (): { name: string, expression: string }[] {
  return [...readFileSync('docker/alerts.yaml', 'utf8').matchAll(/- alert: (\w+)\n +expr: (?:>-\n)?([^]*?)\n {8}(?:for|labels):/g)].map(([, name = '', text = '']) => ({ name, expression: text.trim().replace(/\s+/g, ' ') }))
}

/** The variables of Grafana, as it fills them in when all instances are chosen. */
function filledIn (expression: string): string {
  return expression.replaceAll('$__rate_interval', '10m').replaceAll('$instance', '.+')
}

function tokenFile (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ex10-token-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/token`, TOKEN, { mode: 0o600 })
  return `${folder}/token`
}

/** What a query of an operator's page or alert must give: some value that is a number. */
async function assertAnswers (t: Test, prometheus: Prometheus, what: string, expression: string): Promise<void> {
  const found = await prometheus.query(expression)
  t.ok(found.some(({ value }) => !Number.isNaN(value)), `${what}: ${expression}`, { found })
}

t.test('an operator sees in Prometheus all that happens on a server, and nothing of whose it is', { timeout: 300_000 }, async t => {
  const [file, port] = [tokenFile(t), await freePort()]
  const server = await serve(t, {
    EX10_AUTH: 'keys', EX10_METRICS_TOKEN_FILE: file, EX10_METRICS_PORT: String(port), EX10_MAX_SESSIONS: '1', EX10_WHEN_FULL: 'queue', EX10_FAILPOINT: 'home:before:throw'
  })
  const anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const reader = as(server, TOKEN)
  const prometheus = await startPrometheus(t, server, file)
  const hasRead = async (expression: string) => (await prometheus.query(expression)).length > 0
  const read = async () => (await ask(reader, '/metrics')).text
  const value = async (sample: string) => samplesOf(await read()).get(sample)
  const becomes = (sample: string, number: number) => eventually(`${sample} ${number}`, async () => await value(sample) === number, 30_000)

  await t.test('the token opens the metrics alone, a user\'s key does not, and the port of its own asks for nothing', async t => {
    t.match(await ask(reader, '/metrics'), { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' } })
    t.match(await ask(reader, '/admin/stats'), { status: 401 })
    t.match(await ask(anna, '/metrics'), { status: 403 })
    t.match(await ask(server, '/metrics'), { status: 401 })
    const open = { url: `http://127.0.0.1:${port}` }
    t.match(await ask(open, '/metrics'), { status: 200, text: /^ex10_build_info\{/m })
    t.match(await ask(open, '/health'), { status: 404 })
    t.match(await ask(open, '/metrics', { method: 'POST' }), { status: 404 })
    t.match(await ask(open, '/metrics', { headers: { host: 'rebound.example' } }), { status: 421 })
  })

  await eventually('a first reading, from which Prometheus counts', () => hasRead('up == 1'), 30_000)
  t.match((await (await beginCreation(anna)).end()).at(-1), { status: 'error' })
  const session = await createSession(anna)
  const waiting = await beginCreation(anna)
  t.match(await waiting.next(), { status: 'queued' })
  t.equal(await value('ex10_queue_length'), 1)
  const push = { sessionId: session.id, filePath: 'content-script.js', content: 'document.title = `pushed`' }
  t.equal((await pushCode(anna, push)).status, 200)
  await becomes('ex10_push_reload_seconds_count', 1)
  const socket = await openSocket(t, session, anna.headers)
  socket.send(xpraPacket('hello'))
  await becomes('ex10_channels{type="viewer"}', 1)
  execFileSync('s6-svc', ['-k', `${(await inside(t, anna, session)).dir}/services/dev-server`])
  await becomes('ex10_program_restarts_total{program="dev-server"}', 1)
  execFileSync('nft', ['delete', 'table', 'inet', server.instance])
  await becomes('ex10_firewall_losses_total', 1)
  await becomes('ex10_firewall_up', 1)

  await t.test('the numbers are right', async t => {
    const samples = samplesOf(await read())
    const expected: Record<string, number | ((value: number) => boolean)> = {
      'ex10_sessions{state="ready"}': 1,
      ex10_sessions_limit: 1,
      ex10_slots_free: 23,
      'ex10_creations_total{result="ready"}': 1,
      'ex10_creations_total{result="EX10_STEP_FAILED"}': 1,
      'ex10_creation_step_failures_total{step="home",code="EX10_STEP_FAILED"}': 1,
      'ex10_creation_step_duration_seconds_count{step="record"}': 2,
      'ex10_creation_step_duration_seconds_count{step="browser"}': 1,
      ex10_creation_duration_seconds_count: 1,
      'ex10_sessions_ended_total{reason="failed"}': 1,
      ex10_teardown_duration_seconds_count: 1,
      ex10_pushes_total: 1,
      ex10_upload_bytes_total: JSON.stringify(push).length,
      'ex10_program_exits_total{program="dev-server"}': 1,
      'ex10_display_bytes_total{direction="received"}': bytes => bytes > 300,
      'ex10_display_bytes_total{direction="sent"}': bytes => bytes > 100,
      'ex10_session_memory_bytes{over="max"}': bytes => bytes > 50e6 && bytes < 2048 * 1024 * 1024,
      ex10_sessions_memory_bytes: bytes => bytes === samples.get('ex10_session_memory_bytes{over="max"}'),
      ex10_sessions_cpu_seconds_total: seconds => seconds > 0.2 && seconds < 100,
      'ex10_session_cpu_cores{over="median"}': cores => cores >= 0 && cores < 3,
      ex10_homes_promised_bytes: bytes => bytes > 400e6 && bytes < 600e6,
      'ex10_audit_findings{finding="leaked"}': 0,
      ex10_audit_timestamp_seconds: at => Math.abs(at - Date.now() / 1000) < 120,
      'ex10_http_request_duration_seconds_count{route="/createSession",method="GET",status="2xx"}': 2, // the third is under way
      nodejs_eventloop_lag_p99_seconds: seconds => seconds > 0
    }
    for (const [sample, wanted] of Object.entries(expected)) {
      const value = samples.get(sample)
      t.ok(typeof wanted === 'number' ? value === wanted : value !== undefined && wanted(value), sample, { value, wanted: String(wanted) })
    }
  })

  await t.test('nothing tells a session, a user, an address or a file', async t => {
    await ask(anna, '/no/such/route?of=anna', { method: 'PROPFIND' })
    const text = await read()
    for (const secret of [session.id, 'anna', 'content-script', 'no/such', '127.0.0.1', 'PROPFIND', server.dataDir]) t.notOk(text.includes(secret), secret)
  })

  await t.test('promtool finds nothing wrong with the metrics and the alerts', async t => {
    t.equal(promtool(['check', 'metrics'], await read()), '')
    t.equal(promtool(['check', 'rules', 'docker/alerts.yaml']), '')
    t.not(promtool(['check', 'metrics'], 'wrong_metric_total 1\n'), '', 'the control')
  })

  socket.close()
  await endSession(anna, session.id)
  t.match((await waiting.end()).at(-1), { status: 'complete' })
  await becomes('ex10_queue_wait_seconds_count', 1)
  await eventually('a Prometheus that has read all of it', async () => await hasRead('ex10_queue_wait_seconds_count == 1') && await hasRead('ex10_session_cpu_cores'), 30_000)

  await t.test('every query of the dashboard and of the alerts is answered', async t => {
    const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expression: filledIn(expr) })))
    t.ok(queries.length > 50, 'the queries were found')
    for (const { title, expression } of queries) await assertAnswers(t, prometheus, title, expression)
    t.equal(alerts().length, readFileSync('docker/alerts.yaml', 'utf8').split('- alert:').length - 1)
    for (const { name, expression } of alerts()) {
      const ofAny = expression.replace('status="5xx"', 'status="2xx"') // no answer of this server is an error
      await assertAnswers(t, prometheus, name, ofAny.replace(/ (==|>=|>|<) (?!on\b)/, ' $1 bool ').replace(/ >= on /, ' >= bool on '))
    }
    t.strictSame(await prometheus.query('ex10_no_such_metric'), [], 'the control')
    await t.rejects(prometheus.query('sum(ex10_slots'), 'the control')
  })
})

t.test('a port of the metrics that another program has stops the start in one line', async t => {
  const listener = createServer().listen(0, '127.0.0.1')
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const env = testEnv({ EX10_METRICS_PORT: String(port) })
  t.teardown(() => rmSync(env.EX10_DATA_DIR!, { recursive: true, force: true }))
  t.match(await refusalOf(env), new RegExp(`ex10: EX10_METRICS_PORT=${port} cannot be used: another program listens there`))
})

t.test('the dashboard is one that Grafana shows: panels have numbers and places of their own, and a source that the operator chooses', async t => {
  const { panels } = dashboard
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const places = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, at) => `${x + at % w} ${y + Math.floor(at / w)}`))
  t.equal(new Set(places).size, places.length, 'no two overlap')
  t.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24))
  t.notMatch(JSON.stringify(dashboard), /"uid":"(?!\$\{datasource\}|ex10")/, 'no source of somebody else\'s Grafana')
})

t.test('the documents tell of every alert, and every metric of ours has a panel or an alert', async t => {
  const documented = [...readFileSync('docs/operations.md', 'utf8').matchAll(/^\| `(Ex10\w+)` \|/gm)].map(match => match[1])
  t.strictSame(documented, alerts().map(({ name }) => name))
  const used = JSON.stringify(dashboard) + readFileSync('docker/alerts.yaml', 'utf8')
  const names = globSync('plugins/**/*.ts').flatMap(path => [...readFileSync(path, 'utf8').matchAll(/'(ex10_[a-z_]+)'/g)].map(match => match[1]!))
  t.ok(names.length > 30, 'the metrics were found')
  for (const name of names) t.ok(used.includes(name), name)
})
