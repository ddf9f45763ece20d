import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { readApi } from '#support/servers/routes.ts'

const BIN = fileURLToPath(new URL('../../../node_modules/.bin', import.meta.url))
const { routes, document } = await readApi({ EX10_AUTH: 'oidc', EX10_PUBLIC_URL: 'https://ex10.example.org', EX10_OIDC_ISSUER: 'http://127.0.0.1:9', EX10_OIDC_CLIENT_ID: 'ex10' })

/** Routes that the document leaves out, and the reason. */
const UNDESCRIBED: Record<string, RegExp> = {
  'the home page and the files of the pages: people open them, and programs have no use for them': /^GET \/(display\/:version\/\*)?$/,
  'the page that shows the document, and its files': /^GET \/docs\b/,
  'preflight requests, which browsers send by themselves': /^OPTIONS /
}

/** What a linter finds in the document. It has no network: it sends nothing home and downloads nothing. */
async function lint (t: Test, command: string, args: string[]): Promise<string> {
  const folder = mkdtempSync(`${tmpdir()}/ex10-document-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/openapi.json`, JSON.stringify(document))
  writeFileSync(`${folder}/ruleset.yaml`, 'extends: spectral:oas\n')
  const env = { PATH: process.env.PATH, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const { stdout } = await promisify(execFile)('unshare', ['--net', `${BIN}/${command}`, 'lint', 'openapi.json', ...args], { cwd: folder, env }).catch((error: { stdout: string }) => error)
  return stdout
}

t.test('linters find no fault in the document: each operation, tag and answer is described, and no component is unused', async t => {
  // operation-2xx-response: some operations only redirect; spectral's operation-success-response takes redirects for what they are
  const [redocly, spectral] = await Promise.all([
    lint(t, 'redocly', ['--extends=recommended-strict', '--format=json', '--skip-rule=operation-2xx-response']),
    lint(t, 'spectral', ['--ruleset=ruleset.yaml', '--format=json', '--fail-severity=hint', '--quiet'])
  ])
  t.match(JSON.parse(redocly), { totals: { errors: 0, warnings: 0, ignored: 0 }, problems: [] }, 'redocly, its recommended rules')
  t.strictSame(JSON.parse(spectral), [], 'spectral, its recommended rules for OpenAPI')
})

t.test('every route is in the document, or in a short list of others', async t => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`))
  const names = routes.map(({ method, url }) => `${method} ${url}`).filter(name => !Object.values(UNDESCRIBED).some(pattern => pattern.test(name)))
  t.strictSame([...new Set(names.map(name => name.replace(/:(\w+)/g, '{$1}').replace(/\/\*$/, '/{path}').replace(/(.)\/$/, '$1')))].toSorted(), described.toSorted())
  for (const [reason, pattern] of Object.entries(UNDESCRIBED)) t.ok(routes.some(({ method, url }) => pattern.test(`${method} ${url}`)), reason)
})

t.test('bodies and answers have names that a program can use', async t => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses, requestBody }] of Object.entries(methods)) {
      for (const part of [...Object.values(responses), ...(requestBody ? [requestBody] : [])]) {
        const schema = part.content?.['application/json']?.schema
        if (schema) t.strictSame(Object.keys(schema), ['$ref'], `${method} ${path}`)
      }
    }
  }
})
