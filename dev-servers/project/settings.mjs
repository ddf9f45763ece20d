import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { failed } from './failure.mjs'

/** The person's own settings, at the root of the project. */
export const SETTINGS_FILE = 'ex10.json'

const isCommand = value => typeof value === 'string' || (Array.isArray(value) && value.length > 0 && value.every(word => typeof word === 'string'))
const isFolder = value => typeof value === 'string' && !value.startsWith('/') && !value.split('/').includes('..')
const COMMAND = 'must be the name of a script of package.json, or a list of words'
const KEYS = {
  install: [isCommand, COMMAND],
  build: [isCommand, COMMAND],
  dev: [isCommand, COMMAND],
  output: [isFolder, 'must be a folder, relative to the project']
}

/**
 * The settings of ex10.json (`install`, `build`, `dev`, `output`), and the content of package.json as `package`, which is
 * undefined without a package.json.
 * @throws {Failure} with the fault of one of the files
 */
export function readSettings (root) {
  const settings = readJson(root, SETTINGS_FILE) ?? {}
  for (const [key, value] of Object.entries(settings)) {
    if (!KEYS[key]) throw failed('build', `${SETTINGS_FILE}: there is no setting "${key}"; there are ${Object.keys(KEYS).join(', ')}`, { file: SETTINGS_FILE })
    const [isRight, rule] = KEYS[key]
    if (!isRight(value)) throw failed('build', `${SETTINGS_FILE}: "${key}" ${rule}`, { file: SETTINGS_FILE })
  }
  return { ...settings, package: readJson(root, 'package.json') }
}

function readJson (root, file) {
  let text
  try {
    text = readFileSync(join(root, file), 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw failed('build', `${file} cannot be read: ${error.code}`, { file })
  }
  let value
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw failed('build', `${file} is not valid JSON: ${error.message}`, { file })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw failed('build', `${file} must hold a JSON object`, { file })
  return value
}

/** The failure of a project without a build command that is not itself an extension. */
export function nothingToBuild ({ package: settings }) {
  return settings
    ? failed('build', `package.json has no script "build": name the command and its folder in ${SETTINGS_FILE}, for example {"build": ["npx", "webpack"], "output": "dist"}`, { file: 'package.json' })
    : failed('build', 'There is no package.json: push or import a project, with package.json at its root')
}
