// The person's options: the command line, the environment, and a file with their key.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Refused } from './refused.mjs'

export const USAGE = `usage: ex10 dev [FOLDER] [options]

Makes a live browser with the extension of FOLDER (or of this folder), opens it, and pushes each change as it is saved.
Ctrl-C ends the session.

  --template NAME   the session's template; otherwise vanilla where FOLDER has a manifest.json, project where it has a package.json
  --server URL      the server; otherwise EX10_SERVER, or http://127.0.0.1:3001
  --key-file FILE   file with your API key; otherwise EX10_KEY is the key, or ~/.config/ex10/key has it
  --no-open         do not open the display in the default browser
  --keep            leave the session when the command ends
  --help            this text`

const OPTIONS = {
  template: { type: 'string' },
  server: { type: 'string' },
  'key-file': { type: 'string' },
  'no-open': { type: 'boolean' },
  keep: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
}

/** Returns 'help', or all options of the command. @throws {Refused} */
export function readOptions (words, env) {
  const { values, positionals: [command, folder = '.', ...rest] } = parse(words)
  if (values.help || command === 'help') return 'help'
  if (command !== 'dev' || rest.length > 0) throw new Refused(USAGE)
  const root = resolve(folder)
  return {
    root,
    name: relative('.', root) || '.',
    template: values.template ?? templateOf(root, folder),
    server: serverUrl(values.server ?? (env.EX10_SERVER || 'http://127.0.0.1:3001')),
    key: readKey(values['key-file'], env),
    opens: !values['no-open'],
    keeps: values.keep ?? false
  }
}

function parse (words) {
  try {
    return parseArgs({ args: words, allowPositionals: true, options: OPTIONS })
  } catch (error) {
    // everybody on the machine can read command lines
    if (words.some(word => /^--key(=|$)/.test(word))) throw new Refused('a key does not belong into the command line: set EX10_KEY, or use --key-file')
    throw new Refused(`${error.message.split(/\.\s/)[0]}\n${USAGE}`)
  }
}

function templateOf (root, folder) {
  if (!existsSync(root)) throw new Refused(`there is no folder ${folder}`)
  if (!statSync(root).isDirectory()) throw new Refused(`${folder} is not a folder`)
  if (existsSync(join(root, 'manifest.json'))) return 'vanilla'
  if (existsSync(join(root, 'package.json'))) return 'project'
  throw new Refused(`${folder} has neither a manifest.json nor a package.json: name the folder of an extension, or give --template`)
}

function serverUrl (text) {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!/^https?:$/.test(url?.protocol)) throw new Refused(`${text} is not the address of a server, such as https://ex10.example.org`)
  if (url.username || url.password) throw new Refused('a key does not belong into the address: set EX10_KEY, or use --key-file')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

function readKey (file, env) {
  if (file !== undefined) return keyIn(file)
  if (env.EX10_KEY) return env.EX10_KEY.trim()
  const usual = join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'ex10', 'key')
  return existsSync(usual) ? keyIn(usual) : undefined
}

function keyIn (file) {
  try {
    const key = readFileSync(file, 'utf8').trim()
    if (/^[!-~]+$/.test(key)) return key
  } catch (error) {
    throw new Refused(`the key cannot be read from ${file}: ${error.code}`)
  }
  throw new Refused(`${file} does not hold a key: it must be one line, the key from the server's operator`)
}
