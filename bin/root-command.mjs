// What the terminal commands for operators share (npm run keys, admin, audit, backup, restore): their arguments, --help, the
// need of root, and one line that says why they cannot do it.
import { parseArgs } from 'node:util'

/** The command cannot be carried out: the message is all that the operator reads. */
export class Refused extends Error {}

/**
 * Runs a program as `run(values, words)`, with the values of its `options` and at most `most` other words. With --help, it
 * prints the usage instead. Prints what went wrong on standard error, and then exits with `exitCode`.
 */
export async function runProgram ({ options = {}, most = 0, usage, whyRoot, exitCode = 1 }, run) {
  try {
    const { positionals: words, values } = parse({ ...options, help: { type: 'boolean', short: 'h' } }, usage)
    if (values.help) return console.log(usage)
    if (words.length > most) throw new Refused(`ex10: unknown argument "${words[most]}"\n${usage}`)
    if (process.getuid() !== 0) throw new Refused(`ex10: root is needed: ${whyRoot}`)
    await run(values, words)
  } catch (error) {
    console.error(error instanceof Refused ? error.message : `ex10: ${error.message}`)
    process.exitCode = exitCode
  }
}

/**
 * Runs the command that the first word of the command line names, as `run(command, values, words)`. Each of `commands` has
 * its function as `run`, its own `options`, and may take `most` words. `options` go with every command.
 */
export async function runCommand ({ commands, options = {}, usage, whyRoot }, run) {
  const all = Object.assign({}, options, ...Object.values(commands).map(command => command.options))
  await runProgram({ options: all, most: Infinity, usage, whyRoot }, async (values, [name = '', ...words]) => {
    if (!Object.hasOwn(commands, name)) throw new Refused(name === '' ? usage : `ex10: there is no command "${name}"\n${usage}`)
    const { run: command, options: own = {}, most = 0 } = commands[name]
    const strange = Object.keys(values).find(option => !Object.hasOwn({ ...options, ...own }, option))
    if (strange) throw new Refused(`ex10: --${strange} does not go with "${name}"\n${usage}`)
    if (words.length > most) throw new Refused(`ex10: unknown argument "${words[most]}"\n${usage}`)
    await run(command, values, words)
  })
}

function parse (options, usage) {
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    throw new Refused(`ex10: ${error.message.split(/\.\s/)[0]}\n${usage}`)
  }
}
