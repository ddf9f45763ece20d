#!/usr/bin/env node
// The command for authors of extensions: `npx ex10 dev [FOLDER]`. Runs on Node 20, against a server here or elsewhere.
import { dev } from './dev/command.mjs'
import { readOptions, USAGE } from './dev/options.mjs'
import { Refused } from './dev/refused.mjs'

try {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options === 'help') console.log(USAGE)
  else await dev(options)
} catch (error) {
  console.error(error instanceof Refused ? `ex10: ${error.message}` : error)
  process.exitCode = 1
}
