import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.mjs'
import { failure } from './diagnostics.mjs'
import { environment, TOOLS } from './environment.mjs'
import { failed } from './failure.mjs'

/**
 * Runs a command of the project: a script of package.json with its pre and post scripts, or a list of words.
 * `context` is install or build; `onLine` is called with each printed line.
 * @throws {Failure} with the command's last lines
 */
export async function runScript (command, { root, settings, context, timeoutMs, signal, onLine }) {
  const argvs = Array.isArray(command) ? [command] : scriptsOf(command, root, settings, context)
  for (const argv of argvs) {
    const words = argv.join(' ').replace(/^node --run /, 'npm run ')
    console.log(`> ${words}`)
    const env = environment(root, variablesOf(root, settings))
    const result = await runCommand(argv, { cwd: root, env, timeoutMs, signal, onLine }).catch(error => {
      throw failed(context, `${words} cannot be started: ${error.code ?? error.message}`)
    })
    signal.throwIfAborted()
    if (result.code !== 0) throw failure(context, words, result, { root, limitMs: timeoutMs })
  }
}

/** The commands of a script. Node runs scripts half a second faster than npm. In a yarn project, only yarn finds the packages. */
function scriptsOf (name, root, { package: { scripts = {} } = {} }, context) {
  if (!scripts[name]) throw failed(context, `package.json has no script "${name}"`, { file: 'package.json' })
  if (existsSync(join(root, '.pnp.cjs'))) return [['node', join(TOOLS, 'corepack/dist/corepack.js'), 'yarn', 'run', name]]
  return [`pre${name}`, name, `post${name}`].filter(each => scripts[each]).map(each => ['node', '--run', each])
}

/** The variables that npm sets for a script of the package. */
function variablesOf (root, { package: settings = {} }) {
  const { name = '', version = '' } = settings
  return {
    npm_package_name: String(name),
    npm_package_version: String(version),
    npm_package_json: join(root, 'package.json'),
    npm_execpath: join(TOOLS, 'npm/bin/npm-cli.js'),
    npm_node_execpath: process.execPath,
    npm_config_user_agent: `npm node/${process.version} linux`,
    PATH: `${join(root, 'node_modules/.bin')}:${environment(root).PATH}`
  }
}
