import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { STEPS } from '#domain/sessions/steps.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'

const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url))
const CLIENTS = new URL('../../fixtures/clients/', import.meta.url)

interface Generator {
  /** The program in CLIENTS, which is written against the client. */
  program: string
  /** Makes the client from openapi.json. */
  command: [file: string, ...args: string[]]
  /** Its settings in a file. */
  settings?: (url: string) => { [name: string]: string }
}

const GENERATORS: Record<string, Generator> = {
  'openapi-typescript and openapi-fetch': { program: 'openapi-fetch.mts', command: ['.bin/openapi-typescript', 'openapi.json', '--output', 'schema.ts'] },
  '@hey-api/openapi-ts': { program: 'hey-api.cts', command: ['.bin/openapi-ts', '--input', 'openapi.json', '--output', 'api'] },
  orval: {
    program: 'orval.cts',
    command: ['.bin/orval', '--config', 'orval.config.mjs'],
    // of two forms of an answer, orval takes the stream unless it is told
    settings: url => ({ 'orval.config.mjs': `export default { ex10: { input: 'openapi.json', output: { target: 'api.ts', client: 'fetch', baseUrl: '${url}', override: { operations: { addSession: { contentType: { include: ['application/json'] } } } } } } }` })
  },
  'openapi-typescript-codegen': { program: 'codegen.cts', command: ['openapi-typescript-codegen/bin/index.js', '--input', 'openapi.json', '--output', 'api'] }
}

/** Runs a program of node_modules. Without a network, it sends nothing home and downloads nothing. Resolves with what it says. */
async function run (folder: string, [file, ...args]: Generator['command'], { hasNetwork = false } = {}): Promise<string> {
  const [command, ...rest] = [...(hasNetwork ? [] : ['unshare', '--net']), process.execPath, file.startsWith('/') ? file : `${MODULES}/${file}`, ...args] as [string, ...string[]]
  const { stdout } = await promisify(execFile)(command, rest, { cwd: folder }).catch((error: { stdout: string, stderr: string }) => { throw new Error(error.stdout + error.stderr, { cause: error }) })
  return stdout
}

t.test('clients that are generated from the API\'s description compile, and drive a session from its creation to its end', { timeout: 240_000 }, async t => {
  const server = await serve(t, lightDisplay())
  const document = await (await fetch(`${server.url}/openapi.json`)).text()
  for (const [name, { program, command, settings }] of Object.entries(GENERATORS)) {
    await t.test(name, async t => {
      const folder = mkdtempSync(`${tmpdir()}/ex10-client-`)
      t.teardown(() => rmSync(folder, { recursive: true }))
      const isCommon = program.endsWith('.cts')
      const compilerOptions = {
        strict: true,
        target: 'es2024',
        lib: ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'],
        outDir: 'out',
        types: ['node'],
        skipLibCheck: true,
        ...(isCommon ? { module: 'commonjs', moduleResolution: 'node10' } : { module: 'nodenext', allowImportingTsExtensions: true, rewriteRelativeImportExtensions: true })
      }
      const files = { 'openapi.json': document, 'tsconfig.json': JSON.stringify({ compilerOptions, files: [program] }), ...settings?.(server.url) }
      for (const [file, content] of Object.entries(files)) writeFileSync(`${folder}/${file}`, content)
      copyFileSync(new URL(program, CLIENTS), `${folder}/${program}`)
      symlinkSync(MODULES, `${folder}/node_modules`)
      await run(folder, command)
      t.equal(await run(folder, ['typescript/bin/tsc', '--project', '.']), '', 'its compiler has nothing to say')
      const told = JSON.parse(await run(folder, [`${folder}/out/${program.replace('ts', 'js')}`, server.url], { hasNetwork: true }))
      t.match(told, { id: /^[0-9a-f]{32}$/, version: 1, listed: [told.id], file: 'export const typed = true', isListed: true, wrong: 'EX10_UNKNOWN_TEMPLATE', ended: true, refused: 'EX10_SESSION_NOT_FOUND' })
      if (isCommon) t.match(told.types, /ready/, 'the lines of a stream')
      else t.match(told, { steps: [...STEPS], state: 'ready', url: `/session/${told.id}/`, source: 'dev-server', imported: 3, conflict: 'EX10_PRECONDITION_FAILED', kept: '[1,{"open":"lib/typed.js","tab":2}]', again: told.id })
    })
  }
  await assertEndsClean(t, server)
})
