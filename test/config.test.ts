import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { BadSetting, Config, readConfig, variableName } from '#config.ts'

t.test('without any variable the server is private, on 127.0.0.1:3001, with room for 501 sessions', async t => {
  const config = readConfig({})
  t.match(config, {
    host: '127.0.0.1',
    port: 3001,
    dataDir: '/var/lib/ex10',
    instance: 'ex10',
    logLevel: 'info',
    store: 'sqlite',
    portBase: 9000,
    slots: 501,
    maxSessions: 0,
    maxSessionsPerUser: 0,
    whenFull: 'refuse',
    queueLength: 100,
    queueTimeout: 300,
    uidMin: 65600,
    uidMax: 99999,
    template: 'vanilla',
    firewall: 'auto',
    origins: [],
    publicUrl: '',
    trustProxy: [],
    homeSize: 2048,
    idleTimeout: 3600,
    sessionTimeout: 0,
    connectTimeout: 600,
    givenUpTimeout: 600,
    expiryWarning: 60,
    checkInterval: 60,
    viewerCounts: false,
    allowInsecure: false,
    strict: false,
    failpoint: ''
  })
  for (const list of ['origins', 'trustProxy', 'allowNets', 'sessionPath', 'bindLogin'] as const) t.strictSame(config[list], [], list)
})

t.test('a variable\'s name follows from the setting\'s', async t => {
  t.strictSame(['host', 'dataDir', 'portBase', 'uidMin', 'sessionMemory', 'publicUrl'].map(variableName),
    ['EX10_HOST', 'EX10_DATA_DIR', 'EX10_PORT_BASE', 'EX10_UID_MIN', 'EX10_SESSION_MEMORY', 'EX10_PUBLIC_URL'])
  t.equal(variableName('otelExporterOtlpEndpoint'), 'OTEL_EXPORTER_OTLP_ENDPOINT', 'a variable of OpenTelemetry has its own name')
  for (const [key, schema] of Object.entries(Config.properties)) t.ok(schema.description, `${variableName(key)} is described`)
})

t.test('each variable is read, in its own type', async t => {
  const table: [string, string, string, unknown][] = [
    ['EX10_HOST', '::1', 'host', '::1'], ['EX10_HOST', 'localhost', 'host', 'localhost'], ['EX10_HOST', '127.8.8.8', 'host', '127.8.8.8'],
    ['EX10_PORT', '0', 'port', 0], ['EX10_PORT', ' 3080 ', 'port', 3080], ['EX10_DATA_DIR', '/srv/ex10', 'dataDir', '/srv/ex10'],
    ['EX10_INSTANCE', 'ex10_b2', 'instance', 'ex10_b2'], ['EX10_LOG_LEVEL', 'debug', 'logLevel', 'debug'], ['EX10_PORT_BASE', '20000', 'portBase', 20000],
    ['EX10_SLOTS', '1', 'slots', 1], ['EX10_MAX_SESSIONS', '20', 'maxSessions', 20], ['EX10_MAX_SESSIONS_PER_USER', '3', 'maxSessionsPerUser', 3],
    ['EX10_WHEN_FULL', 'evict-oldest', 'whenFull', 'evict-oldest'], ['EX10_QUEUE_LENGTH', '5', 'queueLength', 5], ['EX10_QUEUE_TIMEOUT', '2.5', 'queueTimeout', 2.5],
    ['EX10_UID_MIN', '70000', 'uidMin', 70000], ['EX10_UID_MAX', '100000', 'uidMax', 100000], ['EX10_TEMPLATE', 'react-18', 'template', 'react-18'],
    ['EX10_FIREWALL', 'iptables', 'firewall', 'iptables'], ['EX10_ORIGINS', 'https://a.example, https://b.example:8443,', 'origins', ['https://a.example', 'https://b.example:8443']],
    ['EX10_ALLOW_NETS', '10.20.0.0/16, fd12:3456::/32, 192.168.7.9', 'allowNets', ['10.20.0.0/16', 'fd12:3456::/32', '192.168.7.9']],
    ['EX10_PUBLIC_URL', 'http://localhost:8080', 'publicUrl', 'http://localhost:8080'], ['EX10_PUBLIC_URL', 'http://127.0.0.1:8080/', 'publicUrl', 'http://127.0.0.1:8080'], ['EX10_PUBLIC_URL', 'http://[::1]:8080', 'publicUrl', 'http://[::1]:8080'], ['EX10_PUBLIC_URL', 'http://localhost/tools/ex10/', 'publicUrl', 'http://localhost/tools/ex10'],
    ['EX10_SESSION_MEMORY', '4096', 'sessionMemory', 4096], ['EX10_SESSION_PIDS', '2000', 'sessionPids', 2000], ['EX10_SESSION_CPU', '0.5', 'sessionCpu', 0.5],
    ['EX10_SESSION_PATH', '/opt/a, /opt/b', 'sessionPath', ['/opt/a', '/opt/b']], ['EX10_STEP_TIMEOUT', '2.5', 'stepTimeout', 2.5], ['EX10_ON_SHUTDOWN', 'keep', 'onShutdown', 'keep'],
    ['EX10_IDLE_TIMEOUT', '0', 'idleTimeout', 0], ['EX10_IDLE_TIMEOUT', '2.5', 'idleTimeout', 2.5], ['EX10_SESSION_TIMEOUT', '86400', 'sessionTimeout', 86400], ['EX10_CHECK_INTERVAL', '0.5', 'checkInterval', 0.5], ['EX10_VIEWER_COUNTS', '1', 'viewerCounts', true],
    ['EX10_HOME_SIZE', '4096', 'homeSize', 4096], ['EX10_STRICT', '1', 'strict', true], ['EX10_ALLOW_INSECURE', '1', 'allowInsecure', true], ['EX10_ALLOW_INSECURE', 'true', 'allowInsecure', true], ['EX10_ALLOW_INSECURE', '0', 'allowInsecure', false],
    ['EX10_AUTH', 'keys', 'auth', 'keys'], ['EX10_CREATE_RATE', '0', 'createRate', 0], ['EX10_FAILURE_RATE', '5', 'failureRate', 5], ['EX10_BIND_LOGIN', 'ip, fingerprint', 'bindLogin', ['ip', 'fingerprint']], ['EX10_LOGIN_TIMEOUT', '60', 'loginTimeout', 60], ['EX10_LOGIN_IDLE_TIMEOUT', '60', 'loginIdleTimeout', 60],
    ['EX10_METRICS_PORT', '3002', 'metricsPort', 3002], ['EX10_METRICS_TOKEN_FILE', '/etc/ex10/metrics-token', 'metricsTokenFile', '/etc/ex10/metrics-token'], ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1:4318', 'otelExporterOtlpEndpoint', 'http://127.0.0.1:4318'],
    ['EX10_BLOBS', 's3://example/ex10/a/', 'blobs', 's3://example/ex10/a'], ['EX10_BLOBS', 's3://example', 'blobs', 's3://example'],
    ['EX10_FAILPOINT', 'dev-server:after:throw', 'failpoint', 'dev-server:after:throw'], ['EX10_PORT', '', 'port', 3001], ['EX10_ORIGINS', ' , ', 'origins', []]
  ]
  for (const [variable, text, key, value] of table) t.strictSame(readConfig({ [variable]: text })[key as keyof Config], value, `${variable}=${text}`)
})

t.test('a value that cannot be used stops the start with one line that names its variable', async t => {
  const table: [string, string][] = [
    ['EX10_PORT', 'abc'], ['EX10_PORT', '-1'], ['EX10_PORT', '65536'], ['EX10_PORT', '80.5'], ['EX10_PORT', '0x50'], ['EX10_PORT', '1e3'], ['EX10_PORT', '80 81'], ['EX10_PORT', '9000'], ['EX10_PORT', '8500'], ['EX10_PORT', '10250'],
    ['EX10_DATA_DIR', 'relative'], ['EX10_DATA_DIR', './x'], ['EX10_DATA_DIR', '/tmp/ex10'], ['EX10_DATA_DIR', '/run/ex10'], ['EX10_DATA_DIR', '/proc'], ['EX10_DATA_DIR', '/var/tmp/x'],
    ['EX10_DATA_DIR', '/dev/shm/x'], ['EX10_DATA_DIR', '/usr/share/x'], ['EX10_DATA_DIR', '/etc/x'], ['EX10_DATA_DIR', '/srv/../tmp/x'], ['EX10_DATA_DIR', '/srv/./x'], ['EX10_DATA_DIR', '/srv/a,b'], ['EX10_INSTANCE', 'other'], ['EX10_INSTANCE', 'ex10-b'],
    ['EX10_INSTANCE', 'ex10; flush ruleset'], ['EX10_INSTANCE', 'ex10' + 'a'.repeat(13)], ['EX10_INSTANCE', 'EX10'], ['EX10_LOG_LEVEL', 'loud'], ['EX10_STORE', 'redis'], ['EX10_STORE', 'redis://127.0.0.1/words'], ['EX10_STORE', 'postgres://['], ['EX10_STORE_PASSWORD_FILE', '/etc/password'],
    ['EX10_PORT_BASE', '2023'], ['EX10_PORT_BASE', '64001'], ['EX10_SLOTS', '0'], ['EX10_SLOTS', '502'], ['EX10_SLOTS', 'many'], ['EX10_MAX_SESSIONS', '-1'], ['EX10_MAX_SESSIONS', '1.5'], ['EX10_MAX_SESSIONS_PER_USER', 'ten'], ['EX10_WHEN_FULL', 'wait'],
    ['EX10_QUEUE_LENGTH', '0'], ['EX10_QUEUE_LENGTH', '1001'], ['EX10_QUEUE_TIMEOUT', '0'], ['EX10_UID_MIN', '0'], ['EX10_UID_MIN', '999'],
    ['EX10_UID_MAX', '4294967295'], ['EX10_UID_MAX', '65600'], ['EX10_UID_MAX', '66000'], ['EX10_TEMPLATE', '../x'], ['EX10_FIREWALL', 'none'], ['EX10_ALLOW_NETS', 'intranet'], ['EX10_ALLOW_NETS', '10.0.0.0/8,10.0.0.0/33'], ['EX10_ALLOW_NETS', '0.0.0.0/0'], ['EX10_ALLOW_NETS', '127.0.0.1'], ['EX10_ALLOW_NETS', '::ffff:10.0.0.0/104'],
    ['EX10_PUBLIC_URL', 'ex10.example'],
    ['EX10_PUBLIC_URL', 'https://ex10.example'], ['EX10_PUBLIC_URL', 'http://10.0.0.1'], ['EX10_PUBLIC_URL', 'https://127.0.0.1.evil.example'], ['EX10_TRUST_PROXY', '127.0.0.1'], ['EX10_TRUST_PROXY', '10.0.0.1,10.1.0.0/16'], ['EX10_TRUST_PROXY', '10.0.0.0/33'], ['EX10_ORIGINS', 'https://a.example,b\nc'],
    ['EX10_PUBLIC_URL', 'http://localhost/a?b'], ['EX10_PUBLIC_URL', 'http://localhost/a;b'], ['EX10_PUBLIC_URL', 'http://localhost//a'], ['EX10_PUBLIC_URL', 'http://localhost/a/../b'], ['EX10_PUBLIC_URL', 'http://anna@localhost/'], ['EX10_PUBLIC_URL', 'javascript:alert(1)'], ['EX10_HOME_SIZE', '63'], ['EX10_HOME_SIZE', '2G'], ['EX10_STRICT', 'perhaps'], ['EX10_SESSION_MEMORY', '255'], ['EX10_SESSION_PIDS', '1'], ['EX10_SESSION_CPU', '0'],
    ['EX10_SESSION_PATH', 'bin'], ['EX10_SESSION_PATH', '/opt/a,./b'], ['EX10_SESSION_PATH', '/opt/a:/opt/b'], ['EX10_SESSION_PATH', '/'], ['EX10_SESSION_PATH', '/opt/a,/var/lib'], ['EX10_SESSION_PATH', '/var/lib/ex10'], ['EX10_SESSION_PATH', '/etc/'], ['EX10_SESSION_PATH', '/opt/../home'], ['EX10_STEP_TIMEOUT', '0'], ['EX10_STEP_TIMEOUT', '601'], ['EX10_IDLE_TIMEOUT', '-1'], ['EX10_SESSION_TIMEOUT', '1h'], ['EX10_CONNECT_TIMEOUT', '1e3'], ['EX10_GIVEN_UP_TIMEOUT', '-1'], ['EX10_CHECK_INTERVAL', '0'], ['EX10_VIEWER_COUNTS', '2'], ['EX10_ON_SHUTDOWN', 'maybe'],
    ['EX10_METRICS_PORT', '-1'], ['EX10_METRICS_PORT', '3001'], ['EX10_METRICS_PORT', '9000'], ['EX10_METRICS_TOKEN_FILE', 'token'], ['OTEL_EXPORTER_OTLP_ENDPOINT', '127.0.0.1:4318'],
    ['EX10_AUTH', 'password'], ['EX10_AUTH', 'oidc'], ['EX10_OIDC_USER_CLAIM', 'email'], ['EX10_CREATE_RATE', '-1'], ['EX10_FAILURE_RATE', '0'], ['EX10_BIND_LOGIN', 'mac'], ['EX10_LOGIN_TIMEOUT', '0'], ['EX10_ALLOW_INSECURE', 'yes'], ['EX10_FAILPOINT', 'user'], ['EX10_FAILPOINT', 'user:during:throw'], ['EX10_FAILPOINT', 'user:before:explode'], ['EX10_HOST', '0.0.0.0'], ['EX10_HOST', '::'], ['EX10_HOST', '192.168.1.7'],
    ['EX10_BLOBS', '/srv/blobs'], ['EX10_BLOBS', 's3://a'], ['EX10_BLOBS', 's3://example/../b'], ['EX10_BLOBS', 's3://key:secret@example/a'], ['EX10_BLOBS', 's3://example/.hidden'], ['EX10_BLOBS_REGION', 'eu-central-1'],
    ['EX10_BLOBS_ENDPOINT', 'https://minio.example.org'], ['EX10_BLOBS_ENDPOINT', 'minio.example.org:9000'], ['EX10_BLOBS_ENDPOINT', 'https://key:secret@minio.example.org'], ['EX10_BLOBS_ENDPOINT', 'https://minio.example.org/bucket'],
    ['EX10_HOST', 'ex10.example'], ['EX10_HOST', '127.0.0.1.evil.example']
  ]
  for (const [variable, text] of table) {
    try {
      readConfig({ [variable]: text })
      t.fail(`${variable}=${text} was taken`)
    } catch (error) {
      t.ok(error instanceof BadSetting, `${variable}=${text}`)
      t.match((error as Error).message, new RegExp(`^${variable}=`), 'its variable is named first')
      t.notMatch((error as Error).message, '\n', 'in one line')
      t.match((error as Error).message, /; |: /, 'and what to do is said')
    }
  }
})

t.test('there may be up to 1000 slots, but at the usual ports 501, and only where there are ports for them', async t => {
  const read = (portBase: number, slots: number) => readConfig({ EX10_PORT_BASE: String(portBase), EX10_SLOTS: String(slots) }).slots
  t.equal(read(20_000, 1000), 1000)
  t.equal(read(63_536, 1000), 1000, 'the last DevTools port is 65535')
  t.throws(() => read(63_537, 1000), { message: /^EX10_PORT_BASE=63537 cannot be used: .*EX10_SLOTS=1000 .*port 65536/ })
  t.throws(() => read(9000, 502), { message: /^EX10_SLOTS=502 cannot be used: .* 501; give another EX10_PORT_BASE/ })
  t.throws(() => read(20_000, 1001), { message: /^EX10_SLOTS=1001 cannot be used: / })
})

t.test('a server that others reach needs logins, or a word of consent', async t => {
  const table = [['EX10_HOST', '0.0.0.0', 'host', '0.0.0.0'], ['EX10_PUBLIC_URL', 'https://ex10.example/', 'publicUrl', 'https://ex10.example'],
    ['EX10_TRUST_PROXY', '10.0.0.1, 10.1.0.0/16', 'trustProxy', ['10.0.0.1', '10.1.0.0/16']]] as const
  for (const [name, text, key, value] of table) {
    t.throws(() => readConfig({ [name]: text }), { name: 'StartRefused', message: /all people who reach the server are admins; .*EX10_ALLOW_INSECURE=1/ }, name)
    t.strictSame(readConfig({ [name]: text, EX10_ALLOW_INSECURE: '1' })[key], value, `${name} with consent`)
    t.strictSame(readConfig({ [name]: text, EX10_AUTH: 'keys' })[key], value, `${name} with keys`)
  }
})

t.test('a variable that is no setting stops the start with one line that names the nearest one, and not its value', async t => {
  const table = [['EX10_AUHT', 'EX10_AUTH'], ['EX10_IDEL_TIMEOUT', 'EX10_IDLE_TIMEOUT'], ['EX10_OIDC_CLIENT_SECRET', 'EX10_OIDC_CLIENT_SECRET_FILE'], ['EX10_ALLOWED_NETS', 'EX10_ALLOW_NETS'], ['EX10_MAXSESSIONS', 'EX10_MAX_SESSIONS'], ['EX10_', 'EX10_HOST']]
  for (const [name = '', nearest] of table) {
    t.throws(() => readConfig({ [name]: 'value', EX10_AUTH: 'keys' }), { name: 'StartRefused', message: `${name} cannot be used: there is no such setting; the nearest is ${nearest}` })
    t.strictSame(readConfig({ [name]: ' ' }), readConfig({}), 'an empty one is none')
  }
})

t.test('a store\'s address is not shown where it is wrong: it may hold a password', async t => {
  for (const text of ['redis://:secret@127.0.0.1/words', 'postgres://ex10:secret@[', 'mysql://ex10:secret@db', 'postgres:/ex10:secret@db', 'postgres://ex10:secret @db']) {
    t.throws(() => readConfig({ EX10_STORE: text }), { message: /^EX10_STORE=\w+:… cannot be used: (?!.*secret)/ }, text)
  }
  for (const text of ['sqlite', 'memory:', 'postgres://ex10:secret@127.0.0.1/ex10?sslmode=require', 'rediss://:secret@[::1]:6380/3']) t.equal(readConfig({ EX10_STORE: text }).store, text)
})

t.test('a wrong value\'s line says in words what may be given', async t => {
  const table = [['EX10_VIEWER_COUNTS', 'yes', '1 or 0'], ['EX10_PORT', 'x', 'a whole number from 0 to 65535'], ['EX10_HOME_SIZE', '1', 'a whole number of at least 64'], ['EX10_STEP_TIMEOUT', 'x', 'a number from 1 to 600'],
    ['EX10_AUTH', 'no', 'none, keys or oidc'], ['EX10_STORE', 'redis', 'memory:, sqlite:, or an address such as postgres://ex10@db.example.org/ex10 or rediss://cache.example.org'], ['EX10_BIND_LOGIN', 'mac', 'fingerprint or ip; several have commas between them'],
    ['EX10_PUBLIC_URL', 'ex10.example', 'scheme and host, and perhaps a path, such as https://ex10.example.org or https://example.org/ex10'], ['EX10_DATA_DIR', 'data', 'an absolute path without commas, such as /var/lib/ex10']]
  for (const [name = '', text, words] of table) t.throws(() => readConfig({ [name]: text }), { message: new RegExp(`^${name}=${text} cannot be used: .*; give ${words}$`) })
  t.throws(() => readConfig({ EX10_BIND_LOGIN: 'ip,mac' }), { message: /^EX10_BIND_LOGIN=mac cannot be used/ }, 'of a list, the wrong item is shown')
  for (const [key, schema] of Object.entries(Config.properties)) {
    const { pattern, wanted } = schema.items ?? schema
    t.equal(Boolean(pattern), Boolean(wanted), `${variableName(key)}: a pattern is not shown, but explained`)
  }
})

t.test('a provider is asked for with all that it takes, and only where people log in there', async t => {
  const OIDC = { EX10_AUTH: 'oidc', EX10_OIDC_ISSUER: 'https://login.example.org/realms/a', EX10_OIDC_CLIENT_ID: 'ex10', EX10_PUBLIC_URL: 'https://ex10.example' }
  t.match(readConfig(OIDC), { auth: 'oidc', oidcScopes: ['openid', 'profile'], oidcUserClaim: 'sub', oidcAdminRole: '', oidcAudience: '' })
  t.equal(readConfig({ ...OIDC, EX10_HOST: '0.0.0.0' }).host, '0.0.0.0')
  for (const issuer of ['http://127.0.0.1:8080', 'http://localhost/a', 'http://[::1]:8080']) t.equal(readConfig({ ...OIDC, EX10_OIDC_ISSUER: issuer }).oidcIssuer, issuer)
  const table: [Record<string, string>, RegExp][] = [
    ...['EX10_OIDC_ISSUER', 'EX10_OIDC_CLIENT_ID', 'EX10_PUBLIC_URL'].map((name): [Record<string, string>, RegExp] => [{ [name]: '' }, new RegExp(`^EX10_AUTH=oidc cannot be used: .*set ${name}$`)]),
    ...['http://login.example.org', 'http://127.0.0.1.evil.example', 'ftp://127.0.0.1', 'login.example.org', 'https://login.example.org?a=b', 'https://login.example.org/#a'].map((issuer): [Record<string, string>, RegExp] => [{ EX10_OIDC_ISSUER: issuer }, /^EX10_OIDC_ISSUER=.*https/]),
    [{ EX10_OIDC_SCOPES: 'profile' }, /^EX10_OIDC_SCOPES=profile .*openid/],
    [{ EX10_OIDC_SCOPES: 'openid,a b' }, /^EX10_OIDC_SCOPES=/],
    [{ EX10_OIDC_CLIENT_SECRET_FILE: 'secret' }, /^EX10_OIDC_CLIENT_SECRET_FILE=secret /],
    [{ EX10_OIDC_ADMIN_ROLE: 'admins' }, /^EX10_OIDC_ADMIN_ROLE=admins .*EX10_OIDC_ROLE_CLAIM/],
    [{ EX10_OIDC_USER_ROLE: 'people' }, /^EX10_OIDC_USER_ROLE=people .*EX10_OIDC_ROLE_CLAIM/],
    [{ EX10_OIDC_AUDIENCE: 'ex10' }, /^EX10_OIDC_AUDIENCE=ex10 .*ID tokens/],
    [{ EX10_AUTH: 'keys' }, /^EX10_OIDC_ISSUER=.* goes with EX10_AUTH=oidc only/]
  ]
  for (const [change, message] of table) t.throws(() => readConfig({ ...OIDC, ...change }), { name: 'StartRefused', message }, JSON.stringify(change))
  for (const [name, value] of [['EX10_OIDC_SCOPES', 'openid'], ['EX10_OIDC_ADMIN_ROLE', 'a'], ['EX10_OIDC_AUDIENCE', 'a']]) t.throws(() => readConfig({ [name!]: value }), new RegExp(`^.*${name}=${value} cannot be used`))
})

t.test('variables of others are not looked at', async t => {
  t.strictSame(readConfig({ PATH: '/bin', PORT: '1', HOST: 'x' }), readConfig({}))
})

t.test('each variable that a program of Ex10 reads may be in the server\'s environment', async t => {
  const settings = Object.keys(Config.properties).map(variableName)
  const files = globSync(['bin/**/*.mjs', 'src/**/*.ts', 'test/**/*.ts'])
  const read = new Set(files.flatMap(file => [...readFileSync(file, 'utf8').matchAll(/\benv\.(EX10_[A-Z_]+)/g)].map(match => match[1]!)))
  t.ok(read.size > 8, 'they were found')
  for (const name of read) if (!settings.includes(name)) t.strictSame(readConfig({ [name]: '1' }), readConfig({}), name)
})
